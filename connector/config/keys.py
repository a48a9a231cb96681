"""The keys of config.yaml, with what each is for: read by `config`, and the JSON Schema for editors.

Only keys that work exist. What an adapter takes beside the common keys is its own `Settings`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator

from connector.config.values import (
    Amount,
    Currency,
    Duration,
    EncryptionKey,
    Level,
    Month,
    Name,
    Percent,
    ScheduleText,
    ShareOfLimit,
    Since,
    Weight,
    Workday,
    YesNo,
    Zone,
)

Per = Literal["person", "team", "owner", "pipeline", "company"]
Group = Literal["attitude", "skill", "knowledge"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WORKED: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
Every = Literal["day", "week", "month", "quarter", "year", "all"]


class Keys(BaseModel):
    """Keys of the file; unknown ones are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class FxKeys(Keys):
    """Exchange rates."""

    file: str = Field(description="Table of currency, valid_from, rate (base money for one unit).")
    decimal: Literal[".", ","] = Field(".", description="The decimal mark of its rates.")


class FileKeys(Keys):
    """A table: the file's name, or this."""

    file: str = Field(description="A table, .csv, .xlsx or .yaml.")
    decimal: Literal[".", ","] = Field(".", description="The decimal mark of its numbers.")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"file": given}
        if not isinstance(given, dict):
            more = "" if len(cls.model_fields) == len(FileKeys.model_fields) else ", …"
            raise ValueError(f"expected the name of a file, or a mapping of file and decimal{more}")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, made: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, made(schema)]}


class TargetsKeys(FileKeys):
    """Targets: the file's name, or this where its decimal mark is a comma."""

    file: str = Field(description="Table of kpi, subject, period, target; or a column for each period.")
    decimal: Literal[".", ","] = Field(".", description="The decimal mark of its targets.")


class PeopleKeys(Keys):
    """Employees: the name of a table, or this."""

    from_: str | None = Field(None, alias="from", description="The destination whose list of employees they are.")
    file: str | None = Field(None, description="A table, .csv, .xlsx or .yaml; beside a list it adds and overrides.")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"file": given}
        if not isinstance(given, dict) or not (given.get("from") or given.get("file")):
            raise ValueError("expected the name of a file, or a mapping of from (a destination), file, or both")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, made: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, made(schema)]}


class OkrsKeys(FileKeys):
    """Objectives and key results: the file's name, or this. They are the KPIs okr_objective and okr_kr_progress."""

    file: str = Field(description="Table of objective, key_result, whose, period, kpi or current, start, target.")
    every: Every = Field("quarter", description="How long the period of an objective is.")
    green: Level = Field(
        Decimal("0.7"), description="An objective this far is green.", json_schema_extra={"default": 0.7}
    )
    amber: Level = Field(
        Decimal("0.4"), description="One this far is amber, others red.", json_schema_extra={"default": 0.4}
    )
    push: list[str] = Field(default_factory=list, description="Names of destinations.")


class ProfileKeys(Keys):
    """Other weights for some: of a team, or persons."""

    for_: dict[str, str | list[str]] = Field(alias="for", description="Whom it is for: team, person.")
    weights: dict[Group, Weight] = Field(description="Of attitude, skill and knowledge; they add to 1.")


class AskKeys(FileKeys):
    """Attitude, skill, knowledge: the file's name, or this. It is the KPI ask_score."""

    file: str = Field(description="Table of person, group, item, rater, round, score; weight and required if wanted.")
    every: Every = Field("quarter", description="How long the period of a review round is.")
    weights: dict[Group, Weight] = Field(
        default_factory=dict, description="Of attitude, skill and knowledge; they add to 1. Each 1/3 without."
    )
    profiles: list[ProfileKeys] = Field(default_factory=list, description="The first that is for somebody counts.")
    push: list[str] = Field(default_factory=list, description="Names of destinations.")


class ScorecardKeys(Keys):
    """One scorecard: how far somebody attains the targets of several KPIs."""

    id: Name = Field(description="Its stable name, as of a KPI.")
    for_: dict[str, str | list[str]] = Field(
        default_factory=dict, alias="for", description="Whom it is for, such as team: [north]; everybody without."
    )
    weights: dict[str, Weight] = Field(min_length=1, description="Of KPIs, which have no parts; they add to 1.")
    cap: Amount | None = Field(None, description="As far as an attainment counts: 1.2 is 120 %; without one in full.")
    push: list[str] = Field(default_factory=list, description="Names of destinations.")


class GuardKeys(Keys):
    """When a read is too strange to be applied without a person."""

    shrink: Percent = Field(
        0.2, description="A full read that shows fewer records by more than this stops (exit 4).",
        json_schema_extra={"default": "20%"},
    )
    shift: Percent = Field(
        0.05, description="A changed mapping that moves a KPI of any period by more stops (exit 4); 100% never does.",
        json_schema_extra={"default": "5%"},
    )


class CloseKeys(Keys):
    """When `connector run` closes periods of each length; those without are closed by hand only."""

    day: Workday | None = Field(None, description="Each day.")
    week: Workday | None = Field(None, description="Each week.")
    month: Workday | None = Field(None, description="Each month.")
    quarter: Workday | None = Field(None, description="Each quarter.")
    year: Workday | None = Field(None, description="Each year.")


class AdjustmentKeys(Keys):
    """What is done with adjustments of closed periods."""

    auto_accept_below: Amount | None = Field(
        None, description="Money adjustments below it (reporting currency) are accepted by the next close, unasked."
    )


class SourceKeys(Keys):
    """What every source takes, beside the keys of its adapter."""

    adapter: str = Field(description="One of ours, or a dotted path of your own: acme.crm, acme.crm:Reader.")
    mapping: str = Field(description="Path of the mapping file, or the bare name of one we ship.")
    schedule: ScheduleText | None = Field(None, description="When it is read by `connector run`; without one, by hand.")
    since: Since | None = Field(None, description="Changed since; older records are never read.")
    overlap: Duration = Field(
        timedelta(minutes=15), description="Each read begins so long before the last one's end.",
        json_schema_extra={"default": "15m"},
    )
    budget: ShareOfLimit = Field(
        0.8, description="Our share of the credential's rate limit.", json_schema_extra={"default": "80%"}
    )
    reconcile_ids: Literal["daily", "weekly", "monthly", "never"] = Field(
        "weekly", description="How often a sync compares all ids with those known, where the source lists them."
    )
    windows: int = Field(
        1, ge=1, le=16, description="So many parts of a long window are read at once; more than 1 needs since."
    )
    history_import: bool = Field(False, description="A mapped `seen_at` says when a row was known (old exports).")


class DestinationKeys(Keys):
    """What every destination takes, beside the keys of its adapter."""

    adapter: str = Field(description="One of ours, or a dotted path of your own.")
    schedule: ScheduleText | None = Field(None, description="When; without one after each sync that changed a value.")
    periods: Literal["current", "open", "closed", "all"] = Field("open", description="Which periods are pushed.")
    on_unanswered: Literal["hold", "resend"] = Field(
        "hold", description="A send without an answer that cannot be read back: wait for a person, or send again."
    )
    adjustments: Literal["separate", "included", "none"] = Field(
        "none", description="Accepted adjustments: each by itself, in the value of the period they are paid with, none."
    )
    verify: Literal["daily", "weekly", "monthly", "never"] = Field(
        "never", description="How often confirmed values are read back, where the destination can be read."
    )
    on_drift: Literal["report", "overwrite"] = Field(
        "report", description="A value that somebody changed there: say so, or write ours again."
    )
    withdraw: YesNo = Field(
        "no", description="yes: values that are none any more are taken back, where the destination can."
    )
    parallel: int = Field(
        1, ge=1, le=32, description="So many calls at once, within its rate limit, where the adapter can."
    )


class KpiKeys(Keys):
    """One KPI: a metric with its grain, filters and destinations."""

    id: Name = Field(description="Its stable name, under which it is shown and pushed.")
    metric: str = Field(description="A metric of the catalogue.")
    per: Per = Field("company", description="Whose number it is.")
    by: str | list[str] = Field(default_factory=list, description="What splits it: pipeline, stage, …, extra.NAME.")
    every: Every = Field("month", description="One value per such period.")
    where: dict[str, str | list[str]] = Field(default_factory=dict, description="Only where equal, or in a list.")
    options: dict[str, str | int] = Field(default_factory=dict, description="Options of the metric: credit: split.")
    push: list[str] = Field(default_factory=list, description="Names of destinations.")


class ConfigKeys(Keys):
    """config.yaml of the pipeline connector."""

    store: str = Field("sqlite:///connector.db", description="sqlite:///FILE or postgresql+psycopg://…")
    encryption_key: EncryptionKey = Field(
        None, description="A Fernet key: tokens that vendors renew are kept in the store, encrypted with it."
    )
    timezone: Zone = Field(description="Periods and schedules are in it.")
    currency: Currency = Field(description="Reporting currency; every amount keeps its own as well.")
    fiscal_year_start: Month = Field(1, description="4: FY2027 = April 2026 .. March 2027.")
    fiscal_year_named: Literal["ends", "starts"] = Field(
        "ends", description="After the calendar year in which it ends, or starts: FY2026 then."
    )
    week_start: Literal["monday", "sunday", "saturday"] = Field(
        "monday", description="Weeks are ISO weeks; of another start they begin that day before the ISO week's Monday."
    )
    working_days: list[Weekday] = Field(
        default_factory=lambda: list(_WORKED), min_length=1, description="Days of a week that are worked.",
        json_schema_extra={"default": [*_WORKED]},
    )
    holidays: str | None = Field(None, description="Table of days that are no working days: date, name.")
    people: PeopleKeys | None = Field(None, description="Who sells, in which team, since when: a table, or a list.")
    targets: TargetsKeys | None = Field(None, description="What is to be reached.")
    fx: FxKeys | None = Field(None, description="Exchange rates.")
    close: CloseKeys = Field(
        default_factory=lambda: CloseKeys.model_validate({}),
        description="When complete periods close by themselves.",
    )
    adjustments: AdjustmentKeys = Field(
        default_factory=lambda: AdjustmentKeys.model_validate({}),
        description="What is done with what closed periods have become since.",
    )
    guard: GuardKeys = Field(default_factory=lambda: GuardKeys.model_validate({}), description="Safety stops.")
    sources: dict[str, Any] = Field(min_length=1, description="Systems we read from, by a name of yours.")
    destinations: dict[str, Any] = Field(default_factory=dict, description="Systems we push to, by a name of yours.")
    okrs: OkrsKeys | None = Field(None, description="Objectives and key results.")
    ask: AskKeys | None = Field(None, description="Ratings of attitude, skill and knowledge.")
    scorecards: list[Any] = Field(default_factory=list, description="KPIs weighed into one score.")
    kpis: list[Any] = Field(default_factory=list, description="What is computed, and where it goes.")
