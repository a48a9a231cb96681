"""Looking at an installation: status, checks, mapping tests, pages. Nothing here writes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select

from connector import directory, files, hooks, runs, schedule, stops
from connector import mapping_tests as mapping_tests_
from connector.drift import live, watch
from connector.errors import ConfigError, ConnectorError, Fault
from connector.model import iso, micros
from connector.ports import Check, Destination, Exchange, Source
from connector.redaction import Redactor
from connector.schedule import Schedule
from connector.store import landing, schema, tables
from connector.store.store import Store
from connector.wiring import Installation, closing

# --- status ----------------------------------------------------------------------------------------------------------


def status(here: Installation) -> dict[str, Any]:
    """The object of design.md section 8."""
    store = here.store
    deliveries = dict(_grouped(here, select(tables.delivery.c.state, func.count()).group_by(tables.delivery.c.state)))
    return {
        "sources": _sources(here),
        "destinations": _destinations(here),
        **({"people": people} if (people := directory.status(here)) else {}),
        "quarantine": _count(here, select(func.count()).where(tables.quarantine.c.state == "open")),
        "owed": sum(deliveries.get(state, 0) for state in ("owed", "sending", "unanswered")),
        "refused": deliveries.get("refused", 0),
        "dead": deliveries.get("dead", 0),
        "stops": len(stops.list_stops(store)),
        "leases": _leases(here),
        "landing_bytes": _count(here, select(func.coalesce(func.sum(func.length(tables.body.c.content)), 0))),
    }


def _sources(here: Installation) -> list[dict[str, Any]]:
    """Each source's freshness: a source is as fresh as its stalest stream."""
    success, paused, called = runs.last_success(here.store), runs.paused(here.store), hooks.counts(here.store)
    table = tables.cursor
    read = {(row.source, row.stream): row for row in here.store.rows(select(table))}
    now = micros(here.clock.now())
    found = []
    for name, source in here.config.sources.items():
        streams = []
        for stream in here.mapping(name).streams():
            at = success.get((name, stream))
            row = read.get((name, stream))
            streams.append(
                {
                    "stream": stream,
                    "last_success_at": iso(at),
                    "age_seconds": _age(now, at),
                    "last_complete_at": iso(row.last_complete_at) if row else None,
                    "ids_checked_at": iso(row.ids_checked_at) if row else None,
                }
            )
        times = [success.get((name, stream)) for stream in here.mapping(name).streams()]
        last = min((at for at in times if at is not None), default=None) if None not in times else None
        found.append(
            {
                "source": name, "adapter": source.adapter, "last_success_at": iso(last), "age_seconds": _age(now, last),
                "streams": streams, "paused": paused.get(name, {}).get("reason"),
                "hooks_waiting": called.get(name, 0), "drift": watch.last_drift(here, here.mapping(name)),
            }
        )
    return found


def _destinations(here: Installation) -> list[dict[str, Any]]:
    paused = runs.paused(here.store)
    table = tables.delivery
    query = select(table.c.destination, table.c.state, func.count()).group_by(table.c.destination, table.c.state)
    counts: dict[str, dict[str, int]] = {}
    for destination, state, number in _grouped(here, query):
        counts.setdefault(destination, {})[state] = number
    return [
        {
            "destination": name, "adapter": one.adapter, **counts.get(name, {}),
            "paused": paused.get(name, {}).get("reason"),
        }
        for name, one in here.config.destinations.items()
    ]


def _leases(here: Installation) -> list[dict[str, Any]]:
    table = tables.lease
    now = micros(here.clock.now())
    rows = here.store.rows(select(table).where(table.c.holder.is_not(None), table.c.expires_at > now))
    return [{"name": row.name, "holder": row.holder, "expires_at": iso(row.expires_at)} for row in rows]


def _age(now: int, at: int | None) -> float | None:
    return None if at is None else round((now - at) / 1_000_000, 1)


def _count(here: Installation, query: Any) -> int:
    return int(here.store.rows(query)[0][0])


def _grouped(here: Installation, query: Any) -> Iterator[Any]:
    return iter(here.store.rows(query))


# --- checks ----------------------------------------------------------------------------------------------------------


def check(here: Installation, names: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Each source and destination tried, the mappings' tests, and the next three times of each schedule."""
    for name in names:
        here.known(name)
    files.checked(here)
    wanted = set(names) or {*here.config.sources, *here.config.destinations}
    sources = [_checked(here, name, "sources") for name in here.config.sources if name in wanted]
    destinations = [_checked(here, name, "destinations") for name in here.config.destinations if name in wanted]
    every = [check for one in [*sources, *destinations] for check in one["checks"]]
    code = max((check["exit_code"] for check in every), default=0)
    shown = {"status": {0: "ok", 1: "findings"}.get(code, "failed"), "sources": sources, "destinations": destinations}
    return shown, code


def _checked(here: Installation, name: str, kind: str) -> dict[str, Any]:
    found = here.config.sources[name] if kind == "sources" else here.config.destinations[name]
    port = here.source(name) if kind == "sources" else here.destination(name)
    with closing(port):
        unread = _unread(here, name, port)
        checks = [_line(check, 3) for check in _tried(port) if check.ok or check.what not in unread]
        is_well = all(check["exit_code"] == 0 for check in checks)
        if isinstance(port, Destination) and name == here.config.people_from and is_well:
            checks.append(_people(port))
        if isinstance(port, Destination) and here.config.destinations[name].withdraw and not port.withdraws:
            why = "its settings do not say how anything is taken back; say it, or leave withdraw out"
            checks.append(_line(Check("withdraw: yes", False, why), 1))
        if isinstance(port, Source):
            checks += [_line(check, 1) for check in _streams(here, name, port)]
            checks += [_line(check, 1) for check in (_fields(here, name, port) if is_well else ())]
    if kind == "sources":
        tests = mapping_tests_.run(here.mapping(name))
        checks += [_line(Check(f"mapping test {one['test']}", one["ok"], one["message"]), 1) for one in tests]
    return {
        "name": name, "adapter": found.adapter, "checks": checks, "schedule": str(found.schedule or "") or None,
        "next": next_times(here, found.schedule),
    }


def _people(destination: Destination) -> dict[str, Any]:
    """How many employees it lists, or what is wrong with its list."""
    try:
        number = directory.count(destination)
    except ConfigError as error:
        return _line(Check("employees", False, str(error)), 1)
    except ConnectorError as error:
        return _line(Check("employees", False, f"{error} {error.remedy}"), 3)
    return _line(Check("employees", number > 0, f"{number:,}" if number else "its list is empty"), 1)


def _line(check: Check, code: int) -> dict[str, Any]:
    return {"what": check.what, "ok": check.ok, "detail": check.detail, "exit_code": 0 if check.ok else code}


def _tried(port: Source | Destination) -> Iterator[Check]:
    """What the adapter checks; a fault is a failed check of its own."""
    try:
        yield from port.check()
    except ConnectorError as error:
        yield Check("reached", False, f"{error} {error.remedy}")


def _unread(here: Installation, name: str, port: Source | Destination) -> set[str]:
    """The streams a source has and its mapping does not read: whether they may be read is of no matter."""
    if not isinstance(port, Source):
        return set()
    return {stream.name for stream in port.streams()} - set(here.mapping(name).streams())


def _streams(here: Installation, name: str, source: Source) -> Iterator[Check]:
    """Whether the source has every stream the mapping reads."""
    offered = {stream.name for stream in source.streams()}
    missing = [stream for stream in here.mapping(name).streams() if stream not in offered]
    said = f"the source has no {', '.join(missing)}; it has {', '.join(sorted(offered))}" if missing else ""
    yield Check("streams of the mapping", not missing, said)


def _fields(here: Installation, name: str, source: Source) -> Iterator[Check]:
    """Whether the mapping has all that the source tells of its stages and values, and reads only what it sends."""
    source_mapping = here.mapping(name)
    streams = [one.name for one in source.streams() if one.name in source_mapping.streams()]
    try:
        metadata = source.metadata(streams)
    except ConnectorError as error:
        yield Check("what the source tells of itself", False, str(error))
        return
    settings = type(source.settings).model_fields
    said: dict[str, list[str]] = {}
    for one in live.compare(source_mapping, metadata, settings=settings):
        if one.kind != "vanished_stage":  # a mapping may know more stages than an account has
            what = f"{_TOLD.get(one.kind, 'fields')} of {one.stream}"
            said.setdefault(what, []).append(f"{one.message}: {one.remedy}")
    for what, messages in said.items():
        yield Check(what, False, "; ".join(messages))


_TOLD = {"unmapped_stage": "stages", "unmapped_value": "values"}


def next_times(here: Installation, when: Schedule | None) -> str | None:
    """The next three times of a schedule in words."""
    return None if when is None else schedule.in_words(when, here.clock.now(), here.zone)


# --- mapping tests ---------------------------------------------------------------------------------------------------


def mapping_tests(here: Installation, names: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """Every test of these sources' mappings, each with whether it held."""
    results = [
        {"source": name, **one} for name in here.chosen_sources(names) for one in mapping_tests_.run(here.mapping(name))
    ]
    return results, 0 if all(one["ok"] for one in results) else 1


# --- the database ----------------------------------------------------------------------------------------------------


def check_database(here: Installation) -> tuple[dict[str, Any], int]:
    """Whether the database answers and is of this version. Raises StoreError when it does not answer."""
    store = Store(here.config.store, here.clock)
    path = store.engine.url.database
    if store.is_sqlite and path and not Path(path).exists():
        return {"database": "sqlite", "state": "not there yet; `connector db upgrade` makes it"}, 1
    try:
        with store.reading() as connection:
            found = schema.revision(connection)
    finally:
        store.close()
    state = "ready" if found == schema.HEAD else "empty" if found is None else "of another version"
    shown = {"database": store.engine.dialect.name, "version": found, "expected_version": schema.HEAD, "state": state}
    return shown, 0 if state == "ready" else 1


# --- pages -----------------------------------------------------------------------------------------------------------


def page(here: Installation, id: str, record: int | None) -> dict[str, Any]:
    """A landed page without secrets, or one record of it. Raises ConfigError when there is none."""
    table = tables.page
    rows = here.store.rows(select(table).where(table.c.id == int(id))) if id.isdecimal() else []
    if not rows:
        raise ConfigError([Fault("command line", 0, "page", f"there is no page {id}")])
    found = rows[0]
    with here.store.reading() as connection:
        exchanges = landing.exchanges(connection, found.id)
    redact = Redactor(lambda: here.config.secrets)
    shown = {
        "page": found.id, "source": found.source, "stream": found.stream, "run": found.run,
        "read_at": iso(found.read_at), "landed_at": iso(found.id), "applied_at": iso(found.applied_at),
    }
    if record is None:
        return {**shown, "exchanges": [_exchange(one, redact) for one in exchanges]}
    here.chosen_sources([found.source])
    source = here.source(found.source)
    with closing(source):
        records = list(source.records(found.stream, exchanges))
    if record >= len(records):
        message = f"the page has {len(records)} records, counted from 0"
        raise ConfigError([Fault("command line", 0, "--record", message)])
    one = records[record]
    data = msgspec.json.decode(redact.content(msgspec.json.encode(one.data)))
    return {**shown, "record_index": record, "key": one.key, "modified": iso(one.modified), "record": data}


def _exchange(one: Exchange, redact: Redactor) -> dict[str, Any]:
    return {
        "method": one.method, "url": redact.text(one.url), "body": redact.text(one.body) if one.body else None,
        "status": one.status, "request_id": one.request_id, "content_type": one.content_type,
        "answer": _answer(redact.content(one.answer)),
    }


def _answer(content: bytes) -> Any:
    """The body as JSON where it is that, else as text, else as base64."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        pass
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
