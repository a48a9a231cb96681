"""Adapters with one fault each, by subclassing the example; each is caught by the check its test class names.

Copied with examples/acme into a folder of its own and run there by test_planted_faults.py; not collected here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from acme import Acme
from pydantic import ConfigDict
from test_acme import TestAcme as Good

from connector import auth, errors, paging, rest
from connector.metadata import FieldInfo, Metadata
from connector.ports import AdapterSettings, Exchange, Listed, Page, Record, Window
from connector.ports import Stream as PortStream

__test__ = {"Good": False}
SECOND = timedelta(seconds=1)


class SkipsTheFloor(Acme):
    """Reads changes after `lo`, not from it."""

    def read(self, stream, window, position=None):
        lo = window.lo and window.lo + timedelta(microseconds=1)
        return super().read(stream, Window(lo, window.hi), position)


class EndsEarly(Acme):
    """Asks for changes before `hi`, not up to it."""

    def read(self, stream, window, position=None):
        return super().read(stream, Window(window.lo, window.hi - SECOND), position)


class OneOfManyPages(Acme):
    """Takes the first page for all there is."""

    deals = Acme.deals.replace(pages=paging.OnePage())


class KeepsPositionsInMemory(Acme):
    """Its position is a number in a list it holds."""

    def read(self, stream, window, position=None):
        pages = list(super().read(stream, window))
        self.seen = getattr(self, "seen", {}) | {id(pages): pages}
        if position is not None:
            pages = self.seen.get(position[0], [])[position[1]:]
        for number, page in enumerate(pages, start=1):
            yield replace(page, position=None if number == len(pages) else [id(pages), number])


class WithoutKeys(Acme):
    """Takes what people call a record for its key."""

    deals = Acme.deals.replace(key="title")


class Remembers(Acme):
    """Its records depend on what it saw before."""

    def records(self, stream, exchanges):
        self.count = getattr(self, "count", 0) + 1
        for record in super().records(stream, exchanges):
            yield replace(record, data={**record.data, "seen": self.count})


class AsksAgain(Acme):
    """Asks the vendor for more while it makes records."""

    def records(self, stream, exchanges):
        owners = json.loads(self.client.get("/users").content)["data"]
        for record in super().records(stream, exchanges):
            yield replace(record, data={**record.data, "owners": len(owners)})


class CountsInSeconds(Acme):
    """Its modified stamps are seconds."""

    def records(self, stream, exchanges):
        for record in super().records(stream, exchanges):
            yield replace(record, modified=record.modified and record.modified // 1_000_000)


class Floats(Acme):
    """Its amounts are binary floats."""

    def records(self, stream, exchanges):
        for record in super().records(stream, exchanges):
            yield Record(record.key, record.modified, {**record.data, "value": float(record.data.get("value") or 0)})


class LandsTheToken(Acme):
    """Writes the credential into the address that is kept."""

    def page(self, stream, exchanges, position):
        token = self.settings.token.get_secret_value()
        return super().page(stream, [replace(one, url=f"{one.url}&token={token}") for one in exchanges], position)


class ShowsTheToken(Acme):
    """Keeps the credential where a repr shows it."""

    def __init__(self, *given):
        super().__init__(*given)
        self.headers = {"Authorization": self.settings.token.get_secret_value()}


class RepeatsTheRefusal(Acme):
    """Raises the vendor's words as they came."""

    def judge(self, response):
        if response.status == 403:
            return errors.Permanent(response.content.decode(), system=self.name)
        return None


class TextSettings(AdapterSettings):
    """A token like any other text."""

    base_url: str = ""
    token: str


class TokenIsText(Acme):
    """Its settings do not hide the token."""

    Settings = TextSettings

    def credential(self):
        return auth.Bearer(self.settings.token)


class LenientSettings(rest.RestSettings):
    """Takes any key."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    token: str = ""


class TakesAnySetting(TokenIsText):
    """A misspelt key is silently nothing."""

    Settings = LenientSettings


class NothingIsThere(Acme):
    """Takes an answer it does not know for an empty list."""

    def rows(self, spec, exchange):
        try:
            return super().rows(spec, exchange) if "data" in exchange.json or "id" in exchange.json else []
        except errors.UnexpectedShape:
            return []


class OurClock(Acme):
    """Ends its windows by the machine's clock."""

    def now(self):
        return self.context.clock.now()


class ReadBefore(Acme):
    """Says that its pages were read an hour ago."""

    def page(self, stream, exchanges, position):
        return replace(super().page(stream, exchanges, position), read_at=self.now() - timedelta(hours=1))


class SwallowsErrors(Acme):
    """Ends a reading at an error as if it had come to its end."""

    def read(self, stream, window, position=None):
        with suppress(errors.RemoteError):
            yield from super().read(stream, window, position)


class GivesUp(Acme):
    """Takes a busy vendor's answer for its last word."""

    def judge(self, response):
        return response.error(errors.Permanent, "no") if response.status >= 429 else None


class AllIsLost(Acme):
    """Takes a missing right to one collection for a refused credential."""

    def judge(self, response):
        return response.error(errors.AuthError, "no") if response.status == 403 else None


class UnquotedIds(Acme):
    """Puts ids into the address as they are."""

    def read_ids(self, stream, ids):
        for id_ in ids:
            with suppress(errors.Permanent):
                yield self.page(stream, [self.client.get(f"/deals/{id_}", stream=stream).exchange()], None)


class FailsOnUnknownIds(Acme):
    """Lets one deleted record end the whole question."""

    def read_ids(self, stream, ids):
        for id_ in ids:
            yield self.page(stream, [self.client.get(f"/deals/{id_}", stream=stream).exchange()], None)


class BeyondTheWindow(Acme):
    """Says that it honours a window's upper end, and does not."""

    deals = Acme.deals.replace(until="")

    def streams(self):
        return [replace(one, bounded=True) if one.name == "deals" else one for one in super().streams()]


class HalfAList(Acme):
    """Lists the ids of the first page."""

    def streams(self):
        return [PortStream("deals", by_id=True, ids=True)]

    def list_ids(self, stream):
        page = next(iter(self.read(stream, Window(None, self.now()))))
        yield [Listed(record.key) for record in self.records(stream, page.exchanges)]


class ListsAnotherTime(HalfAList):
    """Lists when records were last opened instead of changed."""

    def list_ids(self, stream):
        for page in super().list_ids(stream):
            yield [Listed(one.key, 1_700_000_000_000_000) for one in page]


class NeverForgets(Acme):
    """Shows deleted records from a cache."""

    def read(self, stream, window, position=None):
        self.kept = getattr(self, "kept", {})
        for page in super().read(stream, window, position):
            for one in page.exchanges:
                self.kept |= {row["id"]: row for row in json.loads(one.answer)["data"]}
            whole = json.dumps({"data": list(self.kept.values()), "next": None}).encode()
            yield Page(stream, [Exchange("GET", "/users", None, 200, whole)], page.position, page.read_at)


class ChecksNothing(Acme):
    """Says nothing in `connector check`."""

    def check(self):
        return iter(())


class StaysConnected(Acme):
    """Keeps its connections when it is closed."""

    def close(self):
        """Nothing."""


class TellsOfOthers(Acme):
    """Tells of the deals, whatever it is asked of."""

    def metadata(self, streams):
        return super().metadata(["deals"])


class TellsAnotherName(Acme):
    """Tells the field by what people call it, not by what stands in the record."""

    def metadata(self, streams):
        fields = {"amount": FieldInfo("amount", type="number")}
        return replace(super().metadata(streams), fields={"deals": fields} if "deals" in streams else {})


class TellsStagesTwice(Acme):
    """Tells the stages of each of two teams, under one pipeline."""

    def metadata(self, streams):
        told = super().metadata(streams)
        return replace(told, pipelines=[replace(one, stages=[*one.stages] * 2) for one in told.pipelines])


class TellingMoves(Acme):
    """Takes what it tells for a reading, and reads on from there."""

    def metadata(self, streams):
        self.told_at = self.now()
        return super().metadata(streams)

    def read(self, stream, window, position=None):
        return super().read(stream, replace(window, lo=getattr(self, "told_at", window.lo)), position)


class HasNothing(Acme):
    """Tells that there is nothing when it is refused."""

    def metadata(self, streams):
        with suppress(errors.RemoteError):
            return super().metadata(streams)
        return Metadata()


CAUGHT = {
    SkipsTheFloor: "test_a_window_includes_its_lower_end",
    EndsEarly: "test_a_window_includes_its_upper_end",
    OneOfManyPages: "test_a_whole_reading_shows_every_record",
    KeepsPositionsInMemory: "test_a_whole_reading_goes_on_after_any_page",
    WithoutKeys: "test_no_key_comes_twice_in_a_whole_reading",
    Remembers: "test_records_are_the_same_twice",
    AsksAgain: "test_records_ask_the_vendor_nothing",
    CountsInSeconds: "test_modified_is_microseconds_and_not_in_the_future",
    Floats: "test_records_are_plain_values",
    LandsTheToken: "test_no_secret_is_landed",
    ShowsTheToken: "test_no_secret_is_shown",
    RepeatsTheRefusal: "test_no_secret_is_in_an_error",
    TokenIsText: "test_secrets_are_typed_as_such",
    TakesAnySetting: "test_an_unknown_key_is_a_fault",
    NothingIsThere: "test_an_error_with_status_200_is_no_empty_list",
    OurClock: "test_now_is_the_vendors_time[ours is behind]",
    ReadBefore: "test_pages_are_read_between_the_windows_end_and_now",
    SwallowsErrors: "test_pages_given_before_an_error_stay_good[down]",
    GivesUp: "test_a_short_fault_is_waited_out[down]",
    AllIsLost: "test_a_stream_one_may_not_read_stops_no_other",
    UnquotedIds: "test_odd_ids_are_ids_and_nothing_else",
    FailsOnUnknownIds: "test_unknown_ids_are_absent",
    BeyondTheWindow: "test_newer_records_than_the_window_are_not_given",
    HalfAList: "test_listed_ids_are_those_of_the_reading",
    ListsAnotherTime: "test_a_listed_record_was_changed_when_a_reading_says_so",
    NeverForgets: "test_a_deleted_record_is_in_no_complete_reading",
    ChecksNothing: "test_check_names_every_stream_and_all_is_well",
    StaysConnected: "test_closing_leaves_nothing_open",
    TellsOfOthers: "test_metadata_is_of_the_streams_asked_for",
    TellsAnotherName: "test_fields_told_stand_in_the_records",
    TellsStagesTwice: "test_stages_are_told_once",
    TellingMoves: "test_telling_changes_nothing",
    HasNothing: "test_a_refusal_is_not_told_as_having_nothing",
}


class _Base(Good):
    """The example's own world; without its mapping, which takes no record of some of these."""

    mapping = None


Good.__test__ = False
_Base.__test__ = False
for _adapter in CAUGHT:
    globals()[f"Test{_adapter.__name__}"] = type(
        f"Test{_adapter.__name__}", (_Base,), {"adapter": _adapter, "__test__": True, "__doc__": _adapter.__doc__}
    )

__all__ = ["CAUGHT", "pytest"]
