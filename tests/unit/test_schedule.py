"""Schedules: crontab(5) as written, `every`, clock changes, and slots missed."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector import schedule

BERLIN = ZoneInfo("Europe/Berlin")  # 2026: gap 29 March 02:00-03:00, repeated hour 25 October 02:00-03:00
SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
SUNDAY = datetime(2026, 11, 1, tzinfo=UTC)


def times(text: str, after: str, count: int, zone: ZoneInfo = BERLIN) -> list[str]:
    """The next slots as local times with their offset; `after` is local."""
    moment = datetime.fromisoformat(after).replace(tzinfo=zone)
    found = islice(schedule.slots(schedule.parse(text), moment, zone), count)
    return [slot.astimezone(zone).strftime("%a %d %H:%M %z") for slot in found]


def test_crontab_monday_is_monday():
    """`0 0 * * 1` fires on Monday, as crontab(5) says; APScheduler's own reading fires on Tuesday."""
    assert times("0 0 * * 1", "2026-11-01 12:00", 2) == ["Mon 02 00:00 +0100", "Mon 09 00:00 +0100"]
    theirs = CronTrigger.from_crontab("0 0 * * 1", timezone=UTC).get_next_fire_time(None, SUNDAY)
    assert theirs.strftime("%a") == "Tue"


def test_crontab_ors_day_of_month_and_weekday_when_both_are_restricted():
    assert times("0 0 13 * 5", "2026-11-01", 4) == [
        "Fri 06 00:00 +0100", "Fri 13 00:00 +0100", "Fri 20 00:00 +0100", "Fri 27 00:00 +0100",
    ]
    assert times("0 0 10 * 5", "2026-11-01", 3) == ["Fri 06 00:00 +0100", "Tue 10 00:00 +0100", "Fri 13 00:00 +0100"]


def test_crontab_needs_both_when_one_day_field_begins_with_a_star():
    """crontab(5): a field that begins with * is not restricted; the odd days that are Fridays."""
    assert times("0 0 */2 * 5", "2026-11-01", 2) == ["Fri 13 00:00 +0100", "Fri 27 00:00 +0100"]


def test_crontab_zero_and_seven_are_sunday():
    assert {schedule.parse(f"0 0 * * {day}").cron for day in ("0", "7", "sun", "SUN")} == {"0 0 * * 0"}


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("*/15 9-17 * jan,mar mon-fri", "0,15,30,45 9,10,11,12,13,14,15,16,17 * 1,3 1,2,3,4,5"),
        ("0 6 * * fri-sun", "0 6 * * 0,5,6"),
        ("0 6 * * 5-7", "0 6 * * 0,5,6"),
        ("10-40/15 0 1 */4 *", "10,25,40 0 1 1,5,9 *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@annually", "0 0 1 1 *"),
        ("0-59 0-23 1-31 1-12 0-6", "* * * * *"),
        ("0 0 13 * 0-6", "0 0 * * *"),
    ],
)
def test_names_ranges_steps_lists_and_shorthands(text, cron):
    assert schedule.parse(text).cron == cron


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 fields, expected five"),
        ("* * * * * *", "6 fields, expected five"),
        ("@reboot", "1 fields"),
        ("60 * * * *", "60 as minute, expected 0-59"),
        ("0 0 * * mond", "mond as weekday, expected 0-7 or sun-sat"),
        ("0 0 0 * *", "0 as day of month, expected 1-31"),
        ("0 0 L * *", "l as day of month"),
        ("*/0 * * * *", "the step in */0"),
        ("*/ * * * *", "the step in */"),
        ("5/15 * * * *", "expected a range before it"),
        ("30-10 * * * *", "runs backwards"),
        ("1,,2 * * * *", "nothing as minute"),
        ("0 0 30 2 *", "no such day ever comes"),
        ("every", "no length of time"),
        ("every 10", "no length of time"),
        ("every 0m", "more than zero"),
    ],
)
def test_what_is_no_schedule_says_what_is_expected(text, words):
    with pytest.raises(ValueError, match="expected") as raised:
        schedule.parse(text)
    assert words in str(raised.value)


def test_durations():
    found = [schedule.parse_duration(text) for text in ("15m", "1h30m", "2d", "45s")]
    assert found == [timedelta(minutes=15), timedelta(minutes=90), timedelta(days=2), timedelta(seconds=45)]


def test_every_runs_on_a_grid_from_local_midnight():
    assert times("every 10m", "2026-11-01 08:03", 2) == ["Sun 01 08:10 +0100", "Sun 01 08:20 +0100"]
    assert times("every 1d", "2026-11-01 08:03", 1, SAIGON) == ["Mon 02 00:00 +0700"]
    assert times("every 7d", "2026-11-01 08:03", 1, SAIGON) == ["Mon 02 00:00 +0700"]


def test_a_time_that_the_clock_skips_runs_once_at_the_next_valid_moment():
    assert times("30 2 * * *", "2026-03-28 12:00", 2) == ["Sun 29 03:00 +0200", "Mon 30 02:30 +0200"]
    assert times("15,45 2,3 * * *", "2026-03-29 00:00", 3) == [
        "Sun 29 03:00 +0200", "Sun 29 03:15 +0200", "Sun 29 03:45 +0200",
    ]


def test_a_time_that_exists_twice_runs_once_the_first_time():
    assert times("30 2 * * *", "2026-10-24 12:00", 2) == ["Sun 25 02:30 +0200", "Mon 26 02:30 +0100"]


def test_a_schedule_for_every_hour_goes_on_through_the_repeated_hour():
    assert times("30 * * * *", "2026-10-25 01:45", 3) == [
        "Sun 25 02:30 +0200", "Sun 25 02:30 +0100", "Sun 25 03:30 +0100",
    ]
    assert times("30 * * * *", "2026-03-29 01:45", 1) == ["Sun 29 03:30 +0200"]


def test_missed_slots_become_the_latest_one_with_a_count():
    texts = {"crm": "every 10m", "hr": "0 6 * * *", "new": "@hourly"}
    schedules = {name: schedule.parse(text) for name, text in texts.items()}
    now = SUNDAY + timedelta(hours=12, minutes=5)
    last = {"crm": SUNDAY + timedelta(hours=11), "hr": SUNDAY - timedelta(days=3)}
    assert schedule.due(schedules, last, now, UTC) == [
        schedule.Due("hr", SUNDAY + timedelta(hours=6), 3),
        schedule.Due("crm", SUNDAY + timedelta(hours=12), 5),
    ]
    assert schedule.due(schedules, {"crm": now, "hr": now}, now, UTC) == []


def test_years_of_missed_minutes_are_counted_only_so_far():
    (due,) = schedule.due({"a": schedule.parse("* * * * *")}, {"a": SUNDAY - timedelta(days=900)}, SUNDAY, UTC)
    assert due == schedule.Due("a", SUNDAY, schedule.MOST_COUNTED)


def test_the_next_times_in_words():
    now = datetime(2026, 11, 26, 7, 0, tzinfo=SAIGON)
    assert schedule.in_words(schedule.parse("0 6,18 * * *"), now, SAIGON) == (
        "today at 18:00, tomorrow at 06:00, tomorrow at 18:00"
    )
    assert schedule.in_words(schedule.parse("0 0 1 * *"), now, SAIGON, 1) == "Tue 1 Dec 2026 at 00:00"


# --- laws, against a scan of every minute ----------------------------------------------------------------------------


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    part = (
        number.map(str)
        | st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
        | st.integers(1, high).map(lambda step: f"*/{step}")
    )
    return st.just("*") | st.lists(part, min_size=1, max_size=2).map(",".join)


CRONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), st.just("*"), field(0, 7)).map(" ".join)
ZONES = st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo)
NEAR_A_CHANGE = st.builds(
    lambda day, minutes: datetime(2026, *day, tzinfo=UTC) + timedelta(minutes=minutes, seconds=minutes % 3),
    st.sampled_from([(3, 8), (3, 29), (4, 4), (10, 3), (10, 25), (11, 1)]),
    st.integers(-600, 1500),
)


def matches(cron: str, moment: datetime) -> bool:
    """Whether a crontab line matches a local minute: an independent reading of crontab(5)."""

    def holds(word: str, value: int, top: int, low: int = 0) -> bool:
        for part in word.split(","):
            span, _, step = part.partition("/")
            first, _, last = ("0" if low == 0 else "1", "", str(top)) if span == "*" else span.partition("-")
            if value in range(int(first), int(last or first) + 1, int(step or 1)):
                return True
        return False

    minute, hour, day, month, weekday = cron.split()
    sunday_first = moment.isoweekday() % 7
    on_day = holds(day, moment.day, 31, 1)
    on_weekday = holds(weekday, sunday_first, 6) or (sunday_first == 0 and weekday != "*" and sevens(weekday))
    either = not day.startswith("*") and not weekday.startswith("*")
    return (
        holds(minute, moment.minute, 59)
        and holds(hour, moment.hour, 23)
        and holds(month, moment.month, 12, 1)
        and ((on_day or on_weekday) if either else (on_day and on_weekday))
    )


def sevens(weekday: str) -> bool:
    """Whether Sunday is meant as 7, in a part that is no step of `*`."""
    parts = [part for part in weekday.split(",") if "/" not in part]
    return any(int(part.partition("-")[2] or part.partition("-")[0]) == 7 for part in parts if part != "*")


def scan(cron: str, after: datetime, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """All slots by looking at every minute of the clock, the skipped ones at the end of their gap."""
    hours = f"* {cron.split()[1]} * * *"
    every_hour = all(matches(hours, SUNDAY + timedelta(hours=hour)) for hour in range(24))
    found, seen = [], set()
    start = after.replace(second=0) - timedelta(hours=4)
    moment, last = start, start.astimezone(zone).replace(tzinfo=None) - timedelta(minutes=1)
    while moment <= until:
        local = moment.astimezone(zone).replace(tzinfo=None)
        shown = [local] if every_hour or local <= last else []
        while not shown or (not every_hour and shown[-1] < local):
            shown.append((shown[-1] if shown else last) + timedelta(minutes=1))
        hits = [one for one in shown if matches(cron, one) and (every_hour or one not in seen)]
        seen.update(hits)
        if hits and moment > after:
            found.append(moment)
        last, moment = max(last, local), moment + timedelta(minutes=1)
    return found


@settings(max_examples=60)
@given(CRONS, NEAR_A_CHANGE, ZONES)
@example("30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC), BERLIN)
@example("*/7 0-22 * * *", datetime(2026, 10, 25, 0, 20, tzinfo=UTC), BERLIN)
@example("*/7 * * * *", datetime(2026, 10, 25, 0, 50, tzinfo=UTC), BERLIN)
def test_slots_equal_a_scan_of_every_minute(cron, after, zone):
    until = after + timedelta(hours=50)
    found = []
    for slot in schedule.slots(schedule.parse(cron), after, zone):
        if slot > until:
            break
        found.append(slot)
    assert found == scan(cron, after, zone, until)


@settings(max_examples=100)
@given(CRONS | st.just("every 7m"), NEAR_A_CHANGE, st.integers(0, 5000), ZONES)
def test_the_next_slot_is_strictly_later_and_never_goes_back(text, after, more, zone):
    parsed = schedule.parse(text)
    slot = schedule.next_due(parsed, after, zone)
    later = schedule.next_due(parsed, after + timedelta(minutes=more), zone)
    assert after < slot <= later
    assert schedule.latest_due(parsed, slot, zone) == slot
