"""Destinations with one fault each, by subclassing one without; each is caught by the check its name stands beside.

Copied with shelf.py into a folder of its own and run there by test_planted_destinations.py; not collected here.
"""

from __future__ import annotations

from shelf import Shelf
from shelf import TestShelf as Good

from connector.errors import AuthError, Permanent, RemoteError
from connector.ports import Check, Receipt

__test__ = {"Good": False}


class TakesSilenceForYes(Shelf):
    """What was not answered is confirmed."""

    def unclear(self, delivery, lost):
        return Receipt(delivery.key, "confirmed")


class TakesSilenceForNo(Shelf):
    """What was not answered is taken for not done."""

    def unclear(self, delivery, lost):
        return Receipt(delivery.key, "retry", message=str(lost))


class NeverLooks(Shelf):
    """Makes a row each time."""

    def write(self, delivery, person, row):
        super().write(delivery, person, None)


class LooksAwayFromErrors(Shelf):
    """A look-up that failed found nothing."""

    def look(self, delivery):
        try:
            return super().look(delivery)
        except RemoteError:
            return None


class GuessesPeople(Shelf):
    """Gives the values of unknown people to the first."""

    def person(self, delivery):
        return super().person(delivery) or self.known[0]["code"]


class TakesTheFirstOfTwo(Shelf):
    """An e-mail that two have is the first one's."""

    def person(self, delivery):
        found = super().person(delivery)
        email = delivery.person.get("email")
        return found or next((one["code"] for one in self.known if one["email"] == email), None)


class OnePageOfPeople(Shelf):
    """Takes the first page for all there are."""

    def people(self):
        return self.client.get("/people").json()["people"]


class Floats(Shelf):
    """Its amounts are binary floats, and it confirms them unread."""

    def amount(self, delivery):
        return float(delivery.kpi["value"])

    def verdict(self, delivery):
        return Receipt(delivery.key, "confirmed")


class NothingIsZero(Shelf):
    """A missing value is 0."""

    def send(self, deliveries):
        for one in deliveries:
            if one.kpi["value"] is None:
                self.write(one, "NV001", self.look(one))
                yield Receipt(one.key, "confirmed")
            else:
                yield from super().send([one])

    def amount(self, delivery):
        return delivery.kpi["value"] or "0"


class ForgetsTheMonth(Shelf):
    """One row for a person and KPI, whatever the period; it confirms unread."""

    def address(self, delivery):
        return delivery.key.replace("2026-09", "2026-10").replace("2026-08", "2026-10")


class ForgetsOne(Shelf):
    """The last of a batch has no receipt."""

    def send(self, deliveries):
        return iter(list(super().send(deliveries))[:-1])


class PairsByPlace(Shelf):
    """Gives its verdicts in order of their outcome, to the keys in order of sending."""

    def send(self, deliveries):
        found = sorted(super().send(deliveries), key=lambda receipt: receipt.outcome)
        for one, receipt in zip(deliveries, found, strict=True):
            yield Receipt(one.key, receipt.outcome, message=receipt.message)


class GoesOnAfterNo(Shelf):
    """A refused credential is a refused value."""

    def put(self, delivery, person):
        try:
            return super().put(delivery, person)
        except AuthError as no:
            return Receipt(delivery.key, "refused", message=str(no))


class RepeatsTheRefusal(Shelf):
    """Keeps the system's words as they came."""

    def write(self, delivery, person, row):
        try:
            super().write(delivery, person, row)
        except Permanent as no:
            raise Permanent(f"{no} ({self.settings.token.get_secret_value()})", system=self.name) from None


class ShowsTheToken(Shelf):
    """Keeps the credential where a repr shows it."""

    def __init__(self, *given):
        super().__init__(*given)
        self.headers = {"Token": self.settings.token.get_secret_value()}


class ChecksByWriting(Shelf):
    """Tries the rights by making a row."""

    def check(self):
        self.client.request("POST", "/rows", json={"key": "a test", "person": "NV001", "amount": "0"})
        yield Check("write a row", True)


class HoldsTheMoment(Shelf):
    """Its content depends on when a value was computed."""

    def content(self, delivery):
        return {"kpi": dict(delivery.kpi)}


class HoldsNoValue(Shelf):
    """Its content is whose value it is."""

    def content(self, delivery):
        return {"key": delivery.key, "person": dict(delivery.person)}


class AsksForItsContent(Shelf):
    """Looks at the system to say what it would send."""

    def content(self, delivery):
        return {**super().content(delivery), "person": self.person(delivery)}


class TrustsRemoteIds(Shelf):
    """Changes the record it was told of, whether or not it is there."""

    def look(self, delivery):
        return {"id": delivery.remote_id} if delivery.remote_id else super().look(delivery)


class FindsAnything(Shelf):
    """A row of that key is that value."""

    def find(self, delivery):
        found = super().find(delivery)
        return Receipt(delivery.key, "confirmed", found.remote_id) if found.remote_id else found


class TakesBackTheirs(Shelf):
    """Withdraws whatever stands there about that person."""

    def withdraw(self, deliveries):
        people = {one.person.get("employee_code") for one in deliveries}
        for row in self.client.get("/rows").json()["rows"]:
            if row["person"] in people:
                self.client.request("DELETE", f"/rows/{row['id']}")
        return iter([Receipt(one.key, "confirmed") for one in deliveries])


class WritesTheirs(Shelf):
    """Any row about that person will do."""

    def look(self, delivery):
        rows = self.client.get("/rows").json()["rows"]
        mine = [row for row in rows if row["key"] == delivery.key]
        theirs = [row for row in rows if row["person"] == delivery.person.get("employee_code")]
        return (mine or theirs or [None])[0]


class LeavesOpen(Shelf):
    """Closing closes nothing."""

    def close(self):
        self.left = self.client


CAUGHT = {
    TakesSilenceForYes: "test_an_unclear_answer_is_never_taken_for_a_clear_one",
    TakesSilenceForNo: "test_an_unclear_answer_is_never_taken_for_a_clear_one",
    NeverLooks: "test_the_same_again_makes_no_second",
    LooksAwayFromErrors: "test_nothing_is_written_while_it_cannot_be_read",
    GuessesPeople: "test_an_unknown_person_is_refused_with_a_reason",
    TakesTheFirstOfTwo: "test_two_who_fit_are_nobody",
    OnePageOfPeople: "test_names_and_codes_of_any_script",
    Floats: "test_a_number_the_system_cannot_hold_is_refused_or_held",
    NothingIsZero: "test_nothing_is_no_zero",
    ForgetsTheMonth: "test_periods_of_one_person_stay_apart",
    ForgetsOne: "test_each_delivery_has_one_receipt_under_its_key",
    PairsByPlace: "test_who_is_refused_stops_no_other",
    GoesOnAfterNo: "test_a_refused_credential_stops_the_destination",
    RepeatsTheRefusal: "test_no_secret_is_in_a_receipt_or_an_error",
    ShowsTheToken: "test_no_secret_shows_in_the_instance",
    ChecksByWriting: "test_check_is_well_and_writes_nothing",
    HoldsTheMoment: "test_the_same_value_has_the_same_content",
    HoldsNoValue: "test_another_value_has_another_content",
    AsksForItsContent: "test_content_is_plain_and_asks_nothing",
    TrustsRemoteIds: "test_a_remote_id_that_is_no_longer_one_does_no_harm",
    FindsAnything: "test_find_does_not_take_another_value_for_this_one",
    TakesBackTheirs: "test_a_withdrawal_leaves_what_people_made",
    WritesTheirs: "test_what_people_made_there_stays",
    LeavesOpen: "test_closing_leaves_nothing_open",
}

for adapter in CAUGHT:
    globals()[f"Test{adapter.__name__}"] = type(f"Test{adapter.__name__}", (Good,), {"adapter": adapter})
