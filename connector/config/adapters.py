"""Which class an `adapter:` of the config means, and where our own adapters and mappings are.

`adapter: hubspot` is `adapters/hubspot.py` beside this package, loaded from that file: the import name `adapters` also
belongs to another project on PyPI, which may be installed as well. `adapter: acme.crm` is the module of that name and
`acme.crm:Reader` a class in it; besides installed packages it is looked for in the config's folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from connector.nearest import hint
from connector.ports import Destination, Source

_PACKAGE = Path(__file__).parent.parent
ADAPTERS = _PACKAGE.parent / "adapters"  # the same in the repository and where the wheel is installed
_IN_WHEEL, _IN_REPOSITORY = _PACKAGE / "mappings", _PACKAGE.parent / "mappings"
MAPPINGS = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_REPOSITORY

Port = TypeVar("Port", Source, Destination)
Either = type[Source] | type[Destination]


def load_adapter(name: str, port: type[Port], folder: str = ".") -> type[Port]:
    """The one class of that adapter that is such a port. `folder` is the config's, for adapters kept beside it.

    Raises LookupError with what was found and what is expected.
    """
    path, _, wanted = name.partition(":")
    if not (re.fullmatch(r"\w+", path) and not wanted):
        module = _foreign(path, folder)
    elif path in modules():
        module = _own(path)
    else:
        raise LookupError(_none(name, port))
    classes = {
        found.__name__: found
        for found in vars(module).values()
        if inspect.isclass(found) and issubclass(found, port) and not inspect.isabstract(found)
        if found.__module__ == module.__name__ or found.__name__ == wanted
    }
    if wanted:
        classes = {wanted: classes[wanted]} if wanted in classes else {}
    if len(classes) == 1:
        return next(iter(classes.values()))
    if not classes:
        raise LookupError(_none(name, port))
    raise LookupError(f"{name!r} holds several: {', '.join(sorted(classes))}; expected one, as {path}:{min(classes)}")


def shipped(port: Either) -> list[str]:
    """The names of our own adapters that are such a port, in order of the alphabet."""
    return [name for name in modules() if _has(name, port)]


def modules() -> list[str]:
    """The names of all adapter modules beside this package."""
    return sorted(path.stem for path in ADAPTERS.glob("[a-z]*.py"))


def mapping_path(name: str, folder: str = ".") -> Path:
    """The mapping file a config means: a path relative to its folder, or the bare name of one we ship.

    Raises LookupError with what is expected.
    """
    path = Path(folder, name)
    if path.is_file():
        return path
    if re.fullmatch(r"[\w-]+", name):
        own = MAPPINGS / f"{name}.yaml"
        if own.is_file():
            return own
        known = ", ".join(sorted(found.stem for found in MAPPINGS.glob("*.yaml"))) or "none"
        raise LookupError(f"there is no mapping {name!r}, expected the path of a file, or one we ship: {known}")
    raise LookupError(f"there is no file {name}, expected the mapping's path relative to the config file")


def _none(name: str, port: Either) -> str:
    ours = shipped(port)
    listed = ", ".join(ours) or "none of ours"
    expected = f"expected one of: {listed}, or a dotted path of your own{hint(name, ours)}"
    return f"{name!r} is no {port.__name__.lower()}, {expected}"


def _has(name: str, port: Either) -> bool:
    try:
        module = _own(name)
    except LookupError:
        return False
    return any(
        inspect.isclass(found) and issubclass(found, port) and found.__module__ == module.__name__
        for found in vars(module).values()
    )


def _own(name: str) -> ModuleType:
    """Our adapter module, under the name `adapters.NAME`, from the file beside this package.

    So are the parts it has in files of their own, `_NAME_*.py`: before it, so that it finds them.
    """
    for part in sorted(ADAPTERS.glob(f"_{name}_*.py")):
        _own(part.stem)
    file = ADAPTERS / f"{name}.py"
    loaded = sys.modules.get(f"adapters.{name}")
    if loaded is not None and getattr(loaded, "__file__", None) == str(file):
        return loaded
    spec = importlib.util.spec_from_file_location(f"adapters.{name}", file)
    if spec is None or spec.loader is None:
        raise LookupError(f"{file} cannot be loaded, expected a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        del sys.modules[spec.name]
        raise LookupError(f"the adapter {name!r} needs the package {error.name}, expected it to be installed") from None
    return module


def _foreign(path: str, folder: str) -> ModuleType:
    try:
        with findable(folder):
            return importlib.import_module(path)
    except Exception as error:  # noqa: BLE001  # somebody else's module may fail in any way; it is a fault of the config
        reason = f"{type(error).__name__}: {error}" if isinstance(error, ImportError) else type(error).__name__
        raise LookupError(f"{path!r} cannot be imported ({reason}), expected a Python module on the path") from None


@contextmanager
def findable(folder: str) -> Iterator[None]:
    """The config's folder as the last place where modules are looked for."""
    end = searched(folder)
    try:
        yield
    finally:
        end()


def searched(folder: str) -> Callable[[], None]:
    """Make the folder the last place where modules are looked for; what is given back ends that, once."""
    place = str(Path(folder).resolve())
    sys.path.append(place)
    pending = [place]

    def end() -> None:
        if pending and place in sys.path:
            sys.path.reverse()
            sys.path.remove(pending.pop())
            sys.path.reverse()

    return end
