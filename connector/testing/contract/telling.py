"""What a source tells of itself (`Source.metadata`): of the streams asked for, true of its records, and at no harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import pytest

from connector.errors import RemoteError
from connector.metadata import FieldInfo, FieldType, Metadata
from connector.paths import steps
from connector.ports import Source
from connector.testing.contract.bench import Bench

LASTING = 1_000_000
LOOSE = ("list", "other")
"""Of what has no plain value a vendor may leave out the empty ones."""


class TellingChecks(Bench):
    """Of a source that tells something; `connector init` and `mapping lint` trust it."""

    def test_metadata_is_of_the_streams_asked_for(self) -> None:
        """Asking of the others costs calls, and rights that nobody needs."""
        source, names = self._telling()
        for name in names:
            told = source.metadata([name])
            others = {*told.fields, *(one.stream for one in told.pipelines)} - {name}
            assert not others, f"asked of {name}, it tells of {', '.join(sorted(others))}"
        nothing = source.metadata([])
        assert not nothing.fields, "asked of no stream, it tells fields"
        assert not nothing.pipelines, "asked of no stream, it tells pipelines"

    def test_fields_told_stand_in_the_records(self) -> None:
        """A field that is read stands in each record, maybe empty: else `mapping lint` would pass a path of nothing."""
        source, names = self._telling()
        found = source.metadata(names).fields
        for name, fields in found.items():
            assert all(path == one.path for path, one in fields.items()), f"{name}: fields under another path"
            kinds = {one.type for one in fields.values()} - set(get_args(FieldType))
            assert not kinds, f"{name}: no such type: {', '.join(sorted(kinds))}"
            odd = [path for path, one in fields.items() if one.options and one.type not in ("choice", "choices")]
            assert not odd, f"{name}: options of what is no choice: {', '.join(odd)}"
            records = self.records(source, name, self.pages(source, name))
            for path, one in fields.items():
                lacking = [record.key for record in records if _is_lacking(record.data, one)]
                assert not lacking, f"{name}: {path} is told and does not stand in the record {lacking[0]}"

    def test_stages_are_told_once(self) -> None:
        """A deal is in one stage of one pipeline, so the ids must tell them apart."""
        source, names = self._telling()
        pipelines = source.metadata(names).pipelines
        if not pipelines:
            pytest.skip(f"{self.adapter.__name__} tells no pipelines")
        ids = [(one.stream, one.id) for one in pipelines]
        stages = [(*id_, stage.id) for id_, one in zip(ids, pipelines, strict=True) for stage in one.stages]
        twice = [key for told in (ids, stages) for key, count in Counter(told).items() if count > 1]
        assert not twice, f"told twice: {', '.join('/'.join(key) for key in twice)}"
        assert all(part for key in stages for part in key), "a pipeline or stage without an id"
        odd = [one.id for pipeline in pipelines for one in pipeline.stages if not 0 <= (one.probability or 0) <= 1]
        assert not odd, f"a probability that is none (0..1) in {', '.join(odd)}"

    def test_telling_changes_nothing(self) -> None:
        """It is asked before each sync: what a reading shows before and after is the same, and calls are counted."""
        source = self.live()
        self.fill(source)
        names = [one.name for one in source.streams()]
        before = {name: self.whole(source, name) for name in names}
        counted, asked = source.requests, len(self.twin.requests) if self.twin else 0
        first = source.metadata(names)
        self._needs_some(first)
        if self.twin is not None:
            assert source.requests - counted == len(self.twin.requests) - asked, "not every request is counted"
        assert source.metadata(names) == first, "the second time it tells something else"
        assert {name: self.whole(source, name) for name in names} == before

    def test_a_refusal_is_not_told_as_having_nothing(self) -> None:
        """With a refused credential it raises RemoteError: "no fields" would read as if all of them had vanished."""
        told, names = self._telling()
        before = told.requests
        told.metadata(names)
        if told.requests == before:
            pytest.skip(f"{self.adapter.__name__} tells of itself without asking anybody")
        source = self.make()
        self.asked_to("disturb", "denied", times=LASTING)
        with pytest.raises(RemoteError) as caught:
            source.metadata(names)
        self.calm()
        assert not self.leaked(str(caught.value), repr(caught.value)), "a secret in the error"

    def _telling(self) -> tuple[Source, Sequence[str]]:
        """A source in a world with some records, and its streams; skips where it tells nothing."""
        source = self.live()
        self.fill(source)
        names = [one.name for one in source.streams()]
        self._needs_some(source.metadata(names))
        return source, names

    def _needs_some(self, told: Metadata) -> None:
        if told == Metadata():
            pytest.skip(f"{self.adapter.__name__} tells nothing of itself")


def _is_lacking(data: Any, told: FieldInfo) -> bool:
    """Whether a record has no such key where it has what the key would stand in."""
    keys = steps(told.path)
    if not told.is_read or told.type in LOOSE or keys is None:
        return False
    for key in keys:
        if data is None:
            return False
        if not isinstance(data, dict) or key not in data:
            return True
        data = data[key]
    return False
