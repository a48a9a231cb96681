"""Pages kept in a file: for a contract where the vendor cannot be asked, and as a picture of what it once sent.

    save(Path("pages.json"), source, ["deals"])       # once, by hand, on an account without customers' data
    class TestAcme(SourceContract):
        recorded = load(Path(__file__).parent / "pages.json")

What is kept is what landing keeps: no credential, but everything the vendor sent.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.ports import Exchange, Source, Window

Recording = dict[str, list[list[Exchange]]]
"""The exchanges of each page, by stream."""


def save(file: Path, source: Source, streams: Sequence[str] = (), *, pages: int = 3) -> None:
    """Write the first pages of these streams, or of all, read from the beginning. Raises RemoteError."""
    kept: dict[str, list[list[dict[str, Any]]]] = {}
    for name in streams or [stream.name for stream in source.streams()]:
        kept[name] = []
        for number, page in enumerate(source.read(name, Window(None, source.now())), start=1):
            kept[name].append([_written(one) for one in page.exchanges])
            if number == pages:
                break
    file.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Recording:
    """The pages of a file that `save` wrote."""
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: [[_read(one) for one in page] for page in pages] for name, pages in content.items()}


def _written(one: Exchange) -> dict[str, Any]:
    kept: dict[str, Any] = {"method": one.method, "url": one.url, "status": one.status, "type": one.content_type}
    if one.body is not None:
        kept["body"] = one.body
    if one.request_id is not None:
        kept["request_id"] = one.request_id
    try:
        return {**kept, "answer": one.answer.decode()}
    except UnicodeDecodeError:
        return {**kept, "base64": base64.b64encode(one.answer).decode()}


def _read(kept: dict[str, Any]) -> Exchange:
    answer = base64.b64decode(kept["base64"]) if "base64" in kept else kept["answer"].encode()
    return Exchange(
        kept["method"], kept["url"], kept.get("body"), kept["status"], answer, kept.get("request_id"), kept["type"]
    )
