"""The scorecard's formula, and what a config may say of scorecards, OKR and ASK."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from connector import config, kpi, scorecards, weighing
from connector.errors import ConfigError
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Subject
from connector.period import Calendar
from connector.scorecards import Scorecard

AN = Subject("person", "NV001", "An")
HALF = {"won": Fraction(3, 5), "cycle": Fraction(2, 5)}


def value(name: str, attainment: str | None, status: str = "open") -> KpiValue:
    """A value of which only the attainment counts."""
    return KpiValue(
        name, "won_value", AN, {}, "2026-01", "2026-01-01", "2026-01-31", "1", "money", "USD", None, None, 0,
        status=status, target="2", attainment=attainment,
    )


def score(card: Scorecard, **attainments: str | None) -> str | None:
    parts = card.parts({name: value(name, one) for name, one in attainments.items()})
    return weighing.text(weighing.mean(parts))


def test_the_score_is_the_weighted_mean_of_the_attainments() -> None:
    """metrics.md: 0.95 of the target of money, 0.75 of that of days: 0.6 × 0.95 + 0.4 × 0.75."""
    assert score(Scorecard(HALF), won="0.950000", cycle="0.750000") == "0.870000"


def test_a_cap_limits_what_counts_and_the_attainment_is_kept() -> None:
    card = Scorecard(HALF, cap=Fraction("1.2"))
    assert score(card, won="2.000000", cycle="0.500000") == "0.920000"  # 0.6 × 1.2 + 0.4 × 0.5
    part = card.parts({"won": value("won", "2.000000")})[0]
    assert (part.level, part.told["attainment"]) == (Fraction("1.2"), "2.000000")


def test_the_weight_of_a_kpi_without_attainment_is_spread_over_the_others() -> None:
    """Of 0.5, 0.3 and 0.2 the second has none: 0.5 / 0.7 and 0.2 / 0.7."""
    card = Scorecard({"a": Fraction("0.5"), "b": Fraction("0.3"), "c": Fraction("0.2")})
    parts = card.parts({"a": value("a", "1.000000"), "b": value("b", None), "c": value("c", "0.300000")})
    assert weighing.spread(parts) == [Fraction(5, 7), 0, Fraction(2, 7)]
    assert weighing.mean(parts) == Fraction("0.56") / Fraction("0.7")
    members = list(weighing.members(parts))
    assert [(one.side, one.id, one.share) for one in members] == [
        ("numerator", "a", 714286), ("denominator", "a", 714286), ("denominator", "b", 0),
        ("numerator", "c", 85714), ("denominator", "c", 285714),
    ]


def test_without_any_attainment_there_is_no_score() -> None:
    assert score(Scorecard(HALF), won=None) is None


def test_nobody_is_paid_a_difference_of_a_score() -> None:
    """Design, section 5: counts and money post a difference; scores are restated and noted only."""
    from connector.adjusting import first_state

    assert {first_state(METRICS[name].kind) for name in ("kpi_score", "okr_objective", "ask_score")} == {"noted"}


def test_a_scorecard_is_closed_when_all_its_kpis_can_be() -> None:
    """One of a cohort with a horizon of 30 days waits for it; one without is never frozen."""
    month = Calendar().parse("2026-01")
    plain, day = KpiDefinition("won", "won_count"), 86_400_000_000
    grown = KpiDefinition("rate", "win_rate_count", options={"count_by": "cohort", "horizon": 30})
    never = KpiDefinition("rate", "win_rate_count", options={"count_by": "cohort"})

    def matures(*parts: KpiDefinition) -> int | None:
        return KpiDefinition("s", "kpi_score", rules={"weights": {}}, parts=parts).matures_at(month)

    assert matures(plain) == month.end
    assert matures(plain, grown) == month.end + 30 * day
    assert matures(plain, never) is None


def test_a_definition_is_read_as_it_was_written() -> None:
    part = KpiDefinition("won", "won_value", per="person", push=("hr",))
    card = KpiDefinition("s", "kpi_score", per="person", rules=scorecards.rules({"won": 1}), parts=(part,))
    assert [kpi.from_json(kpi.as_json(one)).parts for one in (card, part)] == [
        (kpi.from_json(kpi.as_json(part)),), (),
    ]
    assert "rules" not in kpi.as_json(part)  # a KPI's version is what it was before there were scores


# --- the config ------------------------------------------------------------------------------------------------------

CONFIG = """\
timezone: UTC
currency: USD
sources:
  crm: {adapter: csv_folder, mapping: m.yaml, folder: ., files: {deals: {file: d.csv, key: id}}}
destinations:
  out: {adapter: file, path: "x-{period}.csv"}
kpis:
  - {id: won, metric: won_value, per: person}
  - {id: rate, metric: win_rate_count, per: person}
  - {id: of_team, metric: won_value, per: team}
  - {id: yearly, metric: won_value, per: person, every: year}
  - {id: stages, metric: stage_entries, per: person}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(
        "entities:\n  - {entity: owner, stream: owners, key: id, fields: {name: name}}\n"
    )
    (tmp_path / "okrs.csv").write_text("objective,key_result,period\n")
    (tmp_path / "ask.csv").write_text("person,group,item,rater,round,score\n")
    return tmp_path


def load(folder: Path, more: str) -> config.Config:
    (folder / "config.yaml").write_text(CONFIG + more)
    return config.load(str(folder / "config.yaml"), {})


def faults(folder: Path, more: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, more)
    return [f"{fault.line}: {fault.key}: {fault.message}" for fault in raised.value.faults]


def test_scores_are_kpis_of_the_config(folder: Path) -> None:
    loaded = load(folder, "scorecards:\n  - {id: s, for: {team: north}, weights: {won: 1/3, rate: 2/3}, push: [out]}\n"
                          "okrs: okrs.csv\nask: {file: ask.csv, every: year}\n")
    made = {one.id: one for one in loaded.kpis[5:]}
    assert {name: (one.metric, one.per, one.every) for name, one in made.items()} == {
        "ask_score": ("ask_score", "person", "year"), "okr_objective": ("okr_objective", "person", "quarter"),
        "okr_kr_progress": ("okr_kr_progress", "person", "quarter"), "s": ("kpi_score", "person", "month"),
    }
    assert made["s"].rules == {"weights": {"won": "1/3", "rate": "2/3"}, "cap": None, "for": {"team": ["north"]}}
    assert ([one.id for one in made["s"].parts], made["s"].push) == (["won", "rate"], ("out",))
    assert [one.id for one in made["okr_objective"].parts] == ["won", "rate", "of_team", "yearly"]


def test_every_fault_of_a_scorecard_is_told_at_its_key(folder: Path) -> None:
    found = faults(folder, """\
scorecards:
  - {id: a, weights: {won: 0.6, rate: 0.3}}
  - {id: won, weights: {won: 1}}
  - {id: b, weights: {won: 0.5, sold: 0.5}}
  - {id: c, weights: {won: 0.4, of_team: 0.2, yearly: 0.2, stages: 0.2}}
  - {id: d, weights: {won: 1}, for: {pipeline: x}, push: [hr]}
  - {id: e, weights: {won: -1}, cap: 0}
  - {id: f, weights: {}}
  - {id: g, weight: {}}
""")
    assert [fault.split(";")[0] for fault in found] == [
        "14: scorecards[0].weights: the weights add to 0.9, expected 1",
        "15: scorecards[1].id: is the id of the KPI on line 8 too, expected another",
        "16: scorecards[2].weights.sold: there is no KPI 'sold', expected one of: of_team, rate, stages, won, yearly",
        "17: scorecards[3].weights.of_team: is per team and month, and won is per person and month",
        "17: scorecards[3].weights.yearly: is per person and year, and won is per person and month",
        "17: scorecards[3].weights.stages: is split by stage, and only a whole value has a target",
        "18: scorecards[4].push[0]: there is no destination 'hr', expected one of: out",
        "18: scorecards[4].for.pipeline: a scorecard per person cannot be for a pipeline, expected team or person",
        "19: scorecards[5].weights.won: expected a weight above 0, such as 0.4 or 1/3",
        "19: scorecards[5].cap: expected an amount above 0, such as 50000 or 99.50",
        "20: scorecards[6].weights: is empty, expected at least one",
        "21: scorecards[7].weights: is missing, expected a mapping",
        "21: scorecards[7].weight: unknown key, expected one of: cap, for, id, push, weights",
    ]


def test_the_tables_have_ids_and_weights_of_their_own(folder: Path) -> None:
    found = faults(folder, """\
  - {id: ask_score, metric: won_value}
  - {id: mine, metric: kpi_score}
okrs: {file: okrs.csv, green: 0.3, amber: 0.4, push: [hr]}
ask:
  file: ask.csv
  weights: {attitude: 0.5, skill: 0.5}
  profiles:
    - {for: {team: north}, weights: {attitude: 0.5, skill: 0.5, knowledge: 0.5}}
    - {for: {pipeline: x}, weights: {attitude: 0.5, skill: 0.25, knowledge: 0.25}}
""")
    assert [fault.split(": ")[1] for fault in found] == [
        "kpis[6].metric", "okrs", "okrs.push[0]", "ask", "ask.weights", "ask.profiles[0].weights",
        "ask.profiles[1].for.pipeline",
    ]
    assert found[0].endswith("kpi_score has a key of its own in the config, scorecards; expected another metric")


def test_a_kpi_at_fault_is_not_told_twice(folder: Path) -> None:
    found = faults(folder, "  - {id: bad, metric: won_valeu}\nscorecards:\n  - {id: s, weights: {bad: 1}}\n")
    assert [fault.split(": ")[1] for fault in found] == ["kpis[5].metric"]
