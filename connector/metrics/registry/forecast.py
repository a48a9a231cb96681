"""What is expected to be won, when, and whether that is enough."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from connector.exact import decimal_text, money_text
from connector.metrics.metric import BY_CLOSE, CREDITS, STATISTICS, STOCK, Metric, Raw, Term, Window
from connector.metrics.question import DAY
from connector.metrics.value import PLACES, Numbers
from connector.model import MONEY_SCALE, RATIO_SCALE

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

RAW = {
    "raw_outlook_change": Raw(
        "deal_change", ("source", "deal", "field", "occurred_at", "sequence", "new"),
        "field IN ('expected_close_on', 'forecast_category') AND occurred_at <= {as_of}",
    ),
}

_COLUMN = {**STOCK, "cumulative": ("no", "yes")}
_THEN = " Open deals are taken as they stood at the period's end, or now where it is not over, by the expected close."


def _covered(terms: Composition) -> Numbers:
    """Open value by what is still missing to the target; none is missing once it is met."""
    open_value, won = terms.terms["expected"].amount, terms.terms["won"].amount
    top = money_text(open_value, terms.currency)
    if terms.target is None:
        return Numbers(None, top, None)
    missing = max(terms.target * MONEY_SCALE - won, Fraction(0))
    bottom = money_text(missing.numerator, terms.currency, missing.denominator)
    if not missing:
        return Numbers(None, top, bottom)
    ratio = open_value / missing
    return Numbers(decimal_text(ratio.numerator, ratio.denominator, PLACES), top, bottom)


def _judged(terms: Composition, top: int) -> Numbers:
    """top / what was won, both stored money; no data of a period that is not over, or in which nothing was won."""
    won = terms.terms["actual"].amount
    if won <= 0 or terms.as_of < terms.period.end - 1:
        return Numbers(None)
    return Numbers(
        decimal_text(top, won, PLACES), money_text(top, terms.currency), money_text(won, terms.currency)
    )


def _accuracy(terms: Composition) -> Numbers:
    """1 - |actual - forecast| / actual."""
    won, forecast = terms.terms["actual"].amount, terms.terms["forecast"].amount
    return _judged(terms, won - abs(won - forecast))


def _bias(terms: Composition) -> Numbers:
    """(forecast - actual) / actual."""
    return _judged(terms, terms.terms["forecast"].amount - terms.terms["actual"].amount)


def _velocity(count: int, terms: Composition) -> Numbers:
    """Deals x win rate x average won value / mean won cycle: money a day."""
    rate, value, cycle = (terms.terms[name] for name in ("rate", "value", "cycle"))
    if not (rate.base_share and value.base_share and cycle.durations and cycle.total > 0):
        return Numbers(None)
    mean_value = Fraction(value.amount * RATIO_SCALE, value.base_share)
    mean_days = Fraction(cycle.total, cycle.durations * DAY)
    daily = Fraction(count, RATIO_SCALE) * Fraction(rate.share, rate.base_share) * mean_value / mean_days
    return Numbers(money_text(daily.numerator, terms.currency, daily.denominator))


def _velocity_open(terms: Composition) -> Numbers:
    return _velocity(terms.terms["count"].share, terms)


def _velocity_closed(terms: Composition) -> Numbers:
    return _velocity(terms.terms["count"].base_share, terms)


def _in(window: Window) -> dict[str, Term]:
    """Win rate, average and mean cycle of twelve months."""
    return {
        "rate": Term("win_rate_count", window), "value": Term("average_deal_value", window),
        "cycle": Term("cycle_length", window, {"stat": "mean"}),
    }


_OWNED = {"credit": ("at_event", "current")}  # what deals open and deals closed both have
_MADE = {"forecast": ("commit", "best", "pipeline", "weighted"), "lead": None}  # which forecast, and when it was made
_JUDGED: dict[str, Term] = {
    "forecast": Term("forecast_at_start", side="numerator"), "actual": Term("won_value", side="denominator"),
}

METRICS = (
    Metric(
        "sales_velocity_open", "money per day", "R", "start of P", "", None, "R12 R13 R16 R17", "forecast",
        "Money a day that the pipeline at the period's start should bring: qualified open deals × win rate × average"
        " won value / mean won cycle, the last three of the 12 months before.",
        "qualified open deals × win rate × average won value / mean days of a won cycle",
        _OWNED, money=True,
        made_of={"count": Term("qualified_pipeline", "before", {"measure": "count"}), **_in("year_before")},
        combine=_velocity_open,
    ),
    Metric(
        "sales_velocity_closed", "money per day", "R", "close", "", None, "R12 R13 R16 R17", "forecast",
        "Money a day that the deals closed in the period brought: deals closed × win rate × average won value / mean"
        " won cycle, the last three of the 12 months that end with it.",
        "deals closed × win rate × average won value / mean days of a won cycle",
        _OWNED, money=True, made_of={"count": Term("win_rate_count"), **_in("year")}, combine=_velocity_closed,
    ),
    Metric(
        "pipeline_expected", "money", "V", "expected_close in P", "o", "0", "R10 R13 R14", "forecast",
        "Value (or count) of the open deals expected to close in the period, of any category." + _THEN,
        "{measure} of the open deals expected to close in the period",
        {**STOCK, "measure": ("value", "count")}, money=True, placed_by="counted_at",
    ),
    Metric(
        "coverage", "ratio", "R", "expected_close in P", "", None, "R13 R14 R16", "forecast",
        "Are there enough prospects? The open value expected to close in the period / what is still missing to the"
        " target. Its target is the value to be won in the period; with the target met, or without one, there is no"
        " coverage. Needed is 1 / win_rate_value.",
        "open value expected to close in the period / (target - value already won in it)",
        STOCK, money=True, takes_target=True,
        made_of={
            "expected": Term("pipeline_expected", side="numerator"), "won": Term("won_value", side="denominator"),
        },
        combine=_covered,
    ),
    Metric(
        "forecast_closed", "money", "V", "close", "o", "0", "R4 R7 R13 R14", "forecast",
        "The first column of the forecast: what has been won in the period.",
        "sum of the amounts of the deals won",
        STOCK, money=True, placed_by="counted_at",
    ),
    Metric(
        "forecast_commit", "money", "V", "expected_close in P", "o", "0", "R10 R13 R14", "forecast",
        "Open value in the forecast category commit; option `cumulative: yes` adds what is closed." + _THEN,
        "sum of the amounts of the deals in the column",
        _COLUMN, money=True, placed_by="counted_at",
    ),
    Metric(
        "forecast_best", "money", "V", "expected_close in P", "o", "0", "R10 R13 R14", "forecast",
        "Open value in the forecast categories best case and most likely; option `cumulative: yes` adds closed and"
        " commit." + _THEN,
        "sum of the amounts of the deals in the column",
        _COLUMN, money=True, placed_by="counted_at",
    ),
    Metric(
        "forecast_pipeline", "money", "V", "expected_close in P", "o", "0", "R10 R13 R14", "forecast",
        "Open value in the forecast category pipeline, and that of deals without any; option `cumulative: yes` is the"
        " open pipeline: all categories but omitted and closed." + _THEN,
        "sum of the amounts of the deals in the column",
        _COLUMN, money=True, placed_by="counted_at",
    ),
    Metric(
        "expected_won_by_month", "money", "V", "future month", "o", "0", "R11 R13 R14", "chances",
        "When and how much will sales rise: for every open deal its amount × the chance to be won in the period, by"
        " what became of the deals of its pipeline at the same age. A mean: what comes in will be more or less. What"
        " is not created yet is not in it; deals older than any that was ever decided are left out and counted.",
        "sum of amount × chance to be won in the period of the open deals",
        STOCK, money=True, placed_by="counted_at",
    ),
    Metric(
        "forecast_at_start", "money", "V", "expected_close in P", "o", "0", "R10 R12 R13 R14", "forecast",
        "What was forecast for the period before it began: the deals that were open then and expected to close in it,"
        " with the category, amount and owner they had then, by their field history. `forecast: best` adds the"
        " categories best case and most likely to commit, pipeline all but omitted ones; weighted takes amount ×"
        " probability of these. `lead: 30` takes the forecast of 30 days before the start.",
        "sum of the amounts of the deals forecast for the period before it began",
        {**STOCK, **_MADE}, money=True, placed_by="counted_at",
    ),
    Metric(
        "forecast_accuracy", "0..1", "R", "P", "", None, "R12 R13 R14 R16", "forecast",
        "How near the forecast (forecast_at_start) came to what was won in the period: 1 is exact; too much is as wrong"
        " as too little, and a forecast of more than twice what was won is below 0. Only of periods that are over.",
        "(won value - its distance from the forecast) / won value",
        {**_OWNED, **_MADE}, money=True, made_of=_JUDGED, combine=_accuracy,
    ),
    Metric(
        "forecast_bias", "ratio", "R", "P", "", None, "R12 R13 R14 R16", "forecast",
        "Which way the forecast (forecast_at_start) was wrong: below 0 less was forecast than won, above it more.",
        "(forecast - won value) / won value",
        {**_OWNED, **_MADE}, money=True, made_of=_JUDGED, combine=_bias,
    ),
    Metric(
        "expected_close_bias", "days", "D", "close", "", None, "R4 R17", "forecast",
        "How many days later than expected deals were won, by the date that stood there 30 days before; negative:"
        " earlier. Whole local days. By it the dates that somebody types in can be shifted.",
        "{stat} of the days from the expected close to the real one",
        {"credit": CREDITS[:3], **{name: BY_CLOSE[name] for name in ("count_by", "horizon")}, "stat": STATISTICS},
        lower_is_better=True,
    ),
)
