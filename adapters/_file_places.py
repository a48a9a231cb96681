"""Where files are kept: a folder of this machine, or a store of objects that fsspec reaches (S3 and its likes).

Either way a reader sees the old file or the new one, never a part: in a folder a file is written aside, brought to the
disk and renamed; in a store of objects an object is visible once all of it is there.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.errors import AuthError, RemoteError, Transient

_REFUSED = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "InvalidAccessKeyId")


class Place(ABC):
    """Somewhere to keep files. What goes wrong there is a RemoteError that names the file."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The file's content, None where there is no file."""

    @abstractmethod
    def replace(self, path: str, content: bytes) -> None:
        """Put the content in place of what is there."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def trouble(self, folder: str) -> str:
        """Why nothing can be written below that folder, as far as can be seen without writing; empty if nothing."""


class Folder(Place):
    """Files of this machine; paths are relative to the config's folder."""

    def __init__(self, system: str, root: str) -> None:
        self._system, self._root = system, Path(root)

    def read(self, path: str) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._remote(path, error) from None

    def replace(self, path: str, content: bytes) -> None:
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.writing")
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._remote(path, error) from None

    def exists(self, path: str) -> bool:
        return (self._root / path).exists()

    def trouble(self, folder: str) -> str:
        there = self._root / folder
        while not there.exists():
            there = there.parent
        may = os.access(there, os.W_OK)
        return "" if may else f"give the user that runs the connector the right to write in {there}"

    def _remote(self, path: str, error: OSError) -> RemoteError:
        return Transient(
            f"{self._system}: {self._root / path}: {error.strerror}; check the folder, its rights and the space left",
            system=self._system,
        )


class Objects(Place):
    """A store of objects by its fsspec address, such as s3://bucket/folder; `options` are fsspec's for it."""

    def __init__(self, system: str, address: str, options: Mapping[str, Any]) -> None:
        import fsspec

        self._system = system
        self._files = fsspec.filesystem(address.partition("://")[0], skip_instance_cache=True, **options)

    def read(self, path: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(path))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001  # each store's client has errors of its own
            raise self._remote(path, error) from None

    def replace(self, path: str, content: bytes) -> None:
        try:
            self._files.pipe_file(path, content)
            self._files.invalidate_cache()
        except Exception as error:  # noqa: BLE001  # as above
            raise self._remote(path, error) from None

    def exists(self, path: str) -> bool:
        try:
            self._files.invalidate_cache()
            return bool(self._files.exists(path))
        except Exception as error:  # noqa: BLE001  # as above
            raise self._remote(path, error) from None

    def trouble(self, folder: str) -> str:
        try:
            self._files.invalidate_cache()
            self._files.ls(folder)
        except FileNotFoundError:
            return ""  # a folder of objects is there once something is in it; a bucket that is not says so at a push
        except Exception as error:  # noqa: BLE001  # as above
            return str(self._remote(folder, error))
        return ""

    def _remote(self, path: str, error: Exception) -> RemoteError:
        """Never with the client's own text, which may hold addresses with signatures."""
        kind = type(error).__name__
        code = getattr(error, "response", {}).get("Error", {}).get("Code") or getattr(error, "strerror", None) or kind
        said = f"{self._system}: {path}: {str(code).splitlines()[0][:120]}"
        if isinstance(error, PermissionError) or kind in _REFUSED:
            return AuthError(f"{said}; check the credential and what it may do there", system=self._system)
        return Transient(f"{said}; check the address, the bucket and that the store answers", system=self._system)
