"""`mapping test --record`: landed records written into the mapping file as cases of its `tests:`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from connector import cases, document, landed_records, mapping, yaml_edit
from connector.config.adapters import MAPPINGS
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, Fault, MappingError
from connector.landed_records import LandedRecord
from connector.mapping import Mapping as SourceMapping
from connector.mapping_tests import difference
from connector.resync import named
from connector.store import tables
from connector.wiring import Installation, closing

_OPTION = "--record"


def record(here: Installation, source: str, ids: Sequence[str]) -> list[str]:
    """Write a case for each of these landed records ([STREAM:]ID) into the source's mapping file; their names there.

    A case is named STREAM:ID, and takes the place of the one of that name. The file is written once all cases are made
    and hold. Raises ConfigError: for a record that is not landed or cannot be mapped, a file that is not the user's.
    """
    here.chosen_sources([source])
    path = here.config.sources[source].mapping
    if path.resolve().is_relative_to(MAPPINGS.resolve()):
        message = (
            f"the mapping {path.stem} is shipped with the connector and stays as it is; copy {path} beside config.yaml "
            f"and write mapping: {path.name}"
        )
        raise ConfigError([Fault(here.config.file, 0, f"sources.{source}.mapping", message)])
    content = read_bytes(path)
    source_mapping = here.mapping(source)
    faults: list[Fault] = []
    wanted = named(source_mapping, ids, None, faults)
    if faults:
        raise ConfigError(Fault(one.file, one.line, _OPTION, one.message) for one in faults)
    reader = here.source(source)
    with closing(reader), here.store.reading() as connection:
        found = landed_records.named(connection, reader, source, wanted, _OPTION)
        salt = _salt(connection, source)
    text, names = content.decode("utf-8"), []
    for one in found:
        made = _case(source_mapping, one, salt)
        names.append(made["name"])
        try:
            text = yaml_edit.put_case(text, made)
        except ValueError as error:
            raise ConfigError([Fault(source_mapping.file, 0, "tests", str(error))]) from None
    _check(here, source, source_mapping, text, names)
    _write(path, text)
    return names


def _case(source_mapping: SourceMapping, one: LandedRecord, salt: str) -> dict[str, Any]:
    try:
        made = cases.case(source_mapping, one.stream, one.record, salt)
    except MappingError as error:
        message = f"{one.stream}:{one.record.key} cannot be mapped, so it is no case yet: {error}"
        raise ConfigError([Fault("command line", 0, _OPTION, message)]) from None
    key = cases.name_of(source_mapping, one.record.key, salt)
    return {"name": f"{one.stream}:{key}", **made}


def _salt(connection: Connection, source: str) -> str:
    """What makes up values differently in each installation: when its first mapping came into force, in microseconds.
    """
    table = tables.file_version
    query = select(func.min(table.c.seen_at)).where(table.c.kind == "mapping", table.c.name == source)
    return str(connection.execute(query).scalar())


def _check(here: Installation, source: str, before: SourceMapping, text: str, names: Sequence[str]) -> None:
    """That the new file means what the old one did, has the cases, and they hold. Raises ConfigError."""
    data = document.load(text, before.file)
    found = mapping.load(
        data, source=source, zone=here.zone, sources=list(here.config.sources),
        history_import=here.config.sources[source].history_import,
    )
    others = [test for test in before.tests if test.get("name") not in names]
    kept = [test for test in found.tests if test.get("name") not in names]
    made = [test for test in found.tests if test.get("name") in names]
    same = {**before.document.data, "tests": None} == {**data.data, "tests": None} and others == kept
    if not same or len(made) != len(set(names)):
        message = "this file's layout has no place for one more case; write tests: as a list with a dash for each"
        raise ConfigError([Fault(before.file, before.document.line(("tests",)), "tests", message)])
    differences = [message for test in made if (message := difference(found, test))]
    if differences:
        raise AssertionError(f"a recorded case does not hold: {differences[0]}")


def _write(path: Path, text: str) -> None:
    """Put the file in place as a whole, with the rights it had."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        os.chmod(name, target.stat().st_mode & 0o7777)
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        message = f"cannot be written ({error.strerror})"
        raise ConfigError([Fault(shown(path), 0, "", message)]) from None
