"""config.yaml: everything wrong with it in one go, each with file, line and key; and what a good one means."""

import re
import sys
import textwrap
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector import config, workdays
from connector.config import schema as config_schema
from connector.config.adapters import load_adapter, mapping_path, shipped
from connector.config.keys import (
    AskKeys,
    CloseKeys,
    ConfigKeys,
    DestinationKeys,
    FxKeys,
    GuardKeys,
    KpiKeys,
    OkrsKeys,
    ProfileKeys,
    ScorecardKeys,
    SourceKeys,
)
from connector.errors import ConfigError
from connector.kpi import PER
from connector.period import EVERY, Calendar
from connector.ports import Destination, Source

ROOT = Path(__file__).parents[2]

OWN_ADAPTER = '''
from typing import Literal
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from connector.ports import AdapterSettings, Destination, Source

class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    file: str
    rows: int = 1

class Settings(AdapterSettings):
    base_url: str = Field("http://x", description="Where it is.")
    token: SecretStr
    size: Literal["small", "large"] = "small"
    parts: dict[str, Part] = {}
    columns: str | list[str] = "a"
    budget: float = 1.0

class Reader(Source):
    Settings = Settings
    def streams(self): return []
    def now(self): ...
    def read(self, stream, window, position=None): ...
    def records(self, stream, exchanges): ...

class Writer(Destination):
    Settings = Settings
    def send(self, deliveries): ...
'''

GOOD = """\
timezone: Asia/Ho_Chi_Minh
currency: VND
sources:
  crm:
    adapter: own.crm
    mapping: mappings/crm.yaml
    token: ${TOKEN}
"""

MAPPING = "entities:\n  - {entity: owner, stream: owners, key: id, fields: {name: name}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an adapter of one's own, a mapping, and tables."""
    for module in ("own", "own.crm"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for name in ("own", "mappings"):
        (tmp_path / name).mkdir()
    (tmp_path / "own" / "crm.py").write_text(OWN_ADAPTER)
    (tmp_path / "mappings" / "crm.yaml").write_text(MAPPING)
    (tmp_path / "people.csv").write_text("employee_code\n")
    (tmp_path / "fx.csv").write_text("currency,valid_from,rate\n")
    (tmp_path / "holidays.csv").write_text("date,name\n2026-01-01,New Year\n")
    (tmp_path / "targets.csv").write_text("kpi,subject,period,target\n")
    (tmp_path / "okrs.csv").write_text("objective,key_result,period\n")
    (tmp_path / "ask.csv").write_text("person,group,item,rater,round,score\n")
    return tmp_path


def load(folder: Path, text: str, **environment: str) -> config.Config:
    (folder / "config.yaml").write_text(textwrap.dedent(text))
    return config.load(str(folder / "config.yaml"), {"TOKEN": "t0ken"} | environment)


def faults(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, text, **environment)
    assert "t0ken" not in str(raised.value)
    return [f"{fault.line}: {fault.key}: {fault.message}" for fault in raised.value.faults]


def test_a_good_config_has_its_defaults(folder):
    loaded = load(folder, GOOD)
    crm = loaded.sources["crm"]
    assert (loaded.zone.key, loaded.currency, loaded.fiscal_year_start) == ("Asia/Ho_Chi_Minh", "VND", 1)
    assert (loaded.calendar, loaded.working_days) == (Calendar(loaded.zone), workdays.WORKED)
    assert loaded.store == f"sqlite:///{folder}/connector.db"
    assert (loaded.guard_shrink, loaded.guard_shift) == (0.2, 0.05)
    assert (crm.budget, crm.overlap, crm.ids_every) == (0.8, timedelta(minutes=15), timedelta(days=7))
    assert crm.make.__name__ == "Reader"
    assert crm.settings.token.get_secret_value() == "t0ken"
    assert loaded.mapping_path("crm") == folder / "mappings" / "crm.yaml"


def test_every_key_is_read(folder):
    loaded = load(folder, GOOD + """\
    schedule: "*/15 * * * *"
    since: 2024-01-01
    overlap: 1h30m
    budget: 50%
    history_import: true
    reconcile_ids: monthly
destinations:
  hr: {adapter: "own.crm:Writer", token: x, schedule: every 1d, periods: closed, on_unanswered: resend, columns: [b]}
store: postgresql://me:p%40ss@db/x
fiscal_year_start: 4
fiscal_year_named: starts
week_start: sunday
working_days: [monday, tuesday, wednesday, thursday, friday, saturday]
people: people.csv
targets: {file: targets.csv, decimal: ","}
fx: {file: fx.csv, decimal: ","}
guard: {shrink: 5%}
close: {month: workday 5, quarter: workday 8}
holidays: holidays.csv
""")
    crm, hr = loaded.sources["crm"], loaded.destinations["hr"]
    assert crm.since == datetime(2023, 12, 31, 17, tzinfo=UTC)  # midnight in Ho Chi Minh City
    assert (crm.overlap, crm.budget, crm.history_import) == (timedelta(minutes=90), 0.5, True)
    assert crm.ids_every == timedelta(days=30)
    assert crm.settings.budget == 0.5  # an adapter that declares a common key is told it
    assert (str(crm.schedule), hr.schedule.every) == ("*/15 * * * *", timedelta(days=1))
    assert (hr.make.__name__, hr.periods, hr.on_unanswered) == ("Writer", "closed", "resend")
    assert loaded.store == "postgresql+psycopg://me:p%40ss@db/x"
    assert (loaded.people, loaded.fx, loaded.fx_decimal) == (folder / "people.csv", folder / "fx.csv", ",")
    assert (loaded.targets, loaded.targets_decimal) == (folder / "targets.csv", ",")
    assert (loaded.holidays, loaded.close) == (folder / "holidays.csv", {"month": 5, "quarter": 8})
    assert (loaded.guard_shrink, loaded.fiscal_year_start) == (0.05, 4)
    assert loaded.calendar == Calendar(loaded.zone, 4, "sunday", "starts")
    assert loaded.working_days == (*workdays.WORKED, "saturday")


def test_all_faults_are_said_at_once_in_the_order_of_the_file(folder):
    found = faults(folder, """\
        timezone: Asia/Saigonn
        currency: dong
        fiscal_year_start: 13
        guard: {shrink: 20, shift: half}
        close: {month: 5th day, fortnight: workday 5}
        people: nobody.xlsx
        sources:
          crm:
            adapter: own.crm
            mapping: mappings/none.yaml
            schedule: "61 * * * *"
            since: yesterday
            overlap: 15
            budget: 0%
            token: ${NO_TOKEN}
            size: huge
            parts: {a: {file: 7, row: 1}, b: {}}
            columns: 5
          "a b": 1
    """)
    lines = [re.match(r"(\d+): ([^:]*)", fault).groups() for fault in found]
    assert lines == [
        ("1", "timezone"), ("2", "currency"), ("3", "fiscal_year_start"), ("4", "guard.shrink"), ("4", "guard.shift"),
        ("5", "close.month"), ("5", "close.fortnight"), ("6", "people"), ("10", "sources.crm.mapping"),
        ("11", "sources.crm.schedule"),
        ("12", "sources.crm.since"), ("13", "sources.crm.overlap"), ("14", "sources.crm.budget"),
        ("15", "sources.crm.token"), ("16", "sources.crm.size"), ("17", "sources.crm.parts.a.file"),
        ("17", "sources.crm.parts.a.row"), ("17", "sources.crm.parts.b.file"), ("18", "sources.crm.columns"),
        ("19", "sources.a b"), ("19", "sources.a b"),
    ]
    assert all("expected" in fault for fault in found)


def test_unknown_keys_list_the_known_ones_and_the_nearest(folder):
    found = faults(folder, GOOD.replace("token", "tokn") + "destination: {}\n")
    known = "adapter, base_url, budget, columns, history_import, mapping, overlap, parts, reconcile_ids, schedule"
    known += ", since, size, token, windows"
    assert f"7: sources.crm.tokn: unknown key, expected one of: {known}; did you mean token?" in found
    assert "4: sources.crm.token: is missing, expected text" in found
    assert found[-1].endswith("targets, timezone, week_start, working_days; did you mean destinations?")
    assert "scorecards" in found[-1]


def test_a_fault_names_file_line_and_key(folder):
    with pytest.raises(ConfigError) as raised:
        load(folder, GOOD.replace("VND", "7"))
    assert str(raised.value) == (
        f"{folder}/config.yaml:2: currency: expected a currency's three letters (ISO 4217), such as VND or USD"
    )


def test_ids_that_lost_their_quotes_are_told_to_be_quoted(folder):
    found = faults(folder, GOOD + """\
          075: {adapter: own.crm}
        kpis:
          - {id: a, metric: won_value, per: person, every: month, where: {pipeline: 0123, stage: [a, 9]}}
    """.replace("\n        ", "\n").replace("          075", "  075"))
    assert '8: sources.75: the key 075 is read as a number, expected text; quote it: "075"' in found
    assert '10: kpis[0].where.pipeline: the value 0123 is read as a number, expected text; quote it: "0123"' in found
    assert '10: kpis[0].where.stage[1]: the value 9 is read as a number, expected text; quote it: "9"' in found


def test_an_unset_variable_is_the_only_fault_of_its_key(folder):
    found = faults(folder, GOOD.replace("VND", "${NO}").replace("own.crm", "${NO}"))
    assert [fault.split(": ")[1] for fault in found] == ["currency", "sources.crm.adapter"]


def test_lists_and_mappings_in_the_wrong_place_are_said_in_plain_words(folder):
    assert faults(folder, GOOD + "kpis: [5]\nguard: 3\nfx: [1]\ndestinations: {hr: }\n") == [
        "8: kpis[0]: found a number, expected a mapping",
        "9: guard: found a number, expected a mapping",
        "10: fx: found a list, expected a mapping",
        "11: destinations.hr: expected keys below the name, at least adapter",
    ]
    assert "4: sources: is empty, expected at least one" in faults(folder, "\n\n\nsources: {}\n")


def test_a_key_whose_entries_are_all_comments_is_as_good_as_absent(folder):
    assert load(folder, GOOD + "destinations:\n#  hr:\nkpis:\n#  - id: x\n").destinations == {}


@pytest.mark.parametrize("text", ["", "- 1\n", "just text\n"])
def test_a_file_that_is_no_config_is_a_fault(folder, text):
    assert "config.example.yaml" in faults(folder, text)[0]


def test_a_missing_file_is_a_fault(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        config.load(str(tmp_path / "none.yaml"))


def test_kpis_have_known_destinations_and_ids_of_their_own(folder):
    found = faults(folder, GOOD + textwrap.dedent("""\
        destinations: {hr: {adapter: own.crm, token: x}}
        kpis:
          - {id: a, metric: won_value, per: person, every: month, push: [hrr]}
          - {id: a, metric: won_value, per: team, every: fortnight}
          - {id: a, metric: won_value, per: team, every: month}
    """))
    assert found == [
        "10: kpis[0].push[0]: there is no destination 'hrr', expected one of: hr; did you mean hr?",
        "11: kpis[1].every: found text, expected 'day', 'week', 'month', 'quarter', 'year' or 'all'",
        "11: kpis[1].id: is the id of the KPI on line 10 too, expected another",
        "12: kpis[2].id: is the id of the KPI on line 10 too, expected another",
    ]


def test_a_kpi_of_an_unknown_metric_is_a_fault_of_its_line(folder):
    entry = "kpis:\n  - id: a\n    metric: won_valeu\n  - id: b\n    metric: won_value\n    options: {credit: all}\n"
    metric, option = faults(folder, GOOD + entry)
    assert metric.startswith("10: kpis[0].metric: no metric 'won_valeu'")
    assert option.startswith("13: kpis[1].options.credit: no 'all'; known: ")


def test_a_kpi_with_one_bad_key_is_told_its_other_faults_too(folder):
    found = faults(folder, GOOD + textwrap.dedent("""\
        kpis:
          - {id: 1, metric: won_valeu, pre: person, push: [hr, 5]}
          - {id: b, metric: won_value, every: fortnight, by: [zone], where: {x: 1, nope: y}}
          - {id: b, metric: 5}
    """))
    assert [fault.split(";")[0] for fault in found if "9: " in fault[:3]] == [
        '9: kpis[0].id: the value 1 is read as a number, expected text',
        "9: kpis[0].push[1]: the value 5 is read as a number, expected text",
        "9: kpis[0].pre: unknown key, expected one of: by, every, id, metric, options, per, push, where",
        "9: kpis[0].push[0]: there is no destination 'hr', expected one of: none is there",
        "9: kpis[0].metric: no metric 'won_valeu'",
    ]
    assert [fault.split(": ")[1] for fault in found[5:]] == [
        "kpis[1].every", "kpis[1].where.x", "kpis[1].by", "kpis[1].where.nope", "kpis[2].metric", "kpis[2].id",
    ]


def test_a_duplicate_key_hides_no_other_fault(folder):
    found = faults(folder, GOOD.replace("currency: VND", "currency: VND\ncurrency: dong\nshop: 1"))
    assert [fault.split(": ")[1] for fault in found] == ["currency", "currency", "shop"]
    assert faults(folder, GOOD + "currency: USD\n") == [
        "8: currency: the key is given twice, first on line 2; expected it once"
    ]


def test_the_faults_of_the_files_a_faulty_config_names_are_told_with_its_own(folder):
    (folder / "mappings" / "crm.yaml").write_text(MAPPING + "pipelins: {}\npipelins: {}\n")
    (folder / "people.csv").write_text("employee_code,from\nNV1,soon\n")
    (folder / "fx.csv").write_text("currency,valid_from,rate\nUSD,2026-01-01,-1\n")
    (folder / "holidays.csv").write_text("date\nsoon\n")
    (folder / "targets.csv").write_text("kpi,subject,2026-01\na,NV1,much\nb,NV1,1\nc,NV1,1\n")
    with pytest.raises(ConfigError) as raised:
        load(folder, GOOD.replace("VND", "dong").replace("token", "tokn") + "people: people.csv\nfx: {file: fx.csv}\n"
             "holidays: holidays.csv\ntargets: targets.csv\nkpis: [{id: a, metric: won_value}, {id: b, metric: won}]\n")
    files = [Path(fault.file).name for fault in raised.value.faults]
    tables = ["people.csv", "fx.csv", "holidays.csv", "targets.csv", "targets.csv", "targets.csv"]
    assert files == ["config.yaml"] * 4 + ["crm.yaml"] * 2 + tables
    assert [fault.key for fault in raised.value.faults[-3:]] == ["subject", "2026-01", "kpi"]  # b is at fault itself


def test_targets_are_a_file_or_a_file_with_its_decimal_mark(folder):
    loaded = load(folder, GOOD + "targets: targets.csv\n")
    assert (loaded.targets, loaded.targets_decimal) == (folder / "targets.csv", ".")
    (missing,) = faults(folder, GOOD + "targets: none.csv\n")
    assert missing.startswith(f"8: targets: there is no file {folder / 'none.csv'}, expected a table")
    (missing,) = faults(folder, GOOD + "targets: {file: none.csv}\n")
    assert missing.startswith("8: targets.file: there is no file")
    found = faults(folder, GOOD + "targets: {file: targets.csv, decimal: ;, sheet: a}\n")
    assert [fault.split(": ")[1] for fault in found] == ["targets.decimal", "targets.sheet"]
    assert faults(folder, GOOD + "targets: 5\n") == [
        "8: targets: expected the name of a file, or a mapping of file and decimal"
    ]


def test_targets_are_not_judged_by_a_fiscal_year_that_is_at_fault(folder):
    """FY2027-Q1 is a period of a fiscal year that begins in April, not of one that begins in month 40."""
    (folder / "targets.csv").write_text("kpi,subject,period,target\na,company,FY2027-Q1,5\n")
    text = GOOD + "targets: targets.csv\nfiscal_year_start: 40\nkpis: [{id: a, metric: won_value, every: quarter}]\n"
    assert [fault.split(": ")[1] for fault in faults(folder, text)] == ["fiscal_year_start"]


def test_a_source_and_a_destination_have_different_names(folder):
    (fault,) = faults(folder, GOOD + "destinations: {crm: {adapter: own.crm, token: x}}\n")
    assert fault.startswith("8: destinations.crm: is a source's name too")


FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def test_an_encryption_key_is_32_bytes_and_shown_nowhere(folder):
    loaded = load(folder, f"encryption_key: {FERNET_KEY}\n" + GOOD)
    assert loaded.encryption_key == FERNET_KEY
    assert FERNET_KEY in loaded.secrets
    assert FERNET_KEY not in repr(loaded)
    assert load(folder, "encryption_key: ${CONNECTOR_KEY:-}\n" + GOOD).encryption_key is None
    for wrong in ("c2hvcnQ=", "ключ", "12"):
        (fault,) = faults(folder, f'encryption_key: "{wrong}"\n' + GOOD)
        assert "encryption_key: expected a Fernet key" in fault
        assert wrong not in fault


def test_secrets_are_known_and_not_in_the_repr(folder):
    (folder / "password").write_text("fr0mfile\n")
    loaded = load(folder, GOOD + """\
    base_url: ${URL}
destinations:
  hr: {adapter: own.crm, token: plain-in-file, columns: ["${file:password}"]}
store: postgresql://me:p%40ss@db/${DATABASE}
""", URL="http://host:8000", DATABASE="sales")
    assert loaded.secrets == {"t0ken", "fr0mfile", "plain-in-file", "p%40ss", "p@ss"}
    assert not [secret for secret in loaded.secrets if secret in repr(loaded)]


# --- adapters --------------------------------------------------------------------------------------------------------


def test_an_unknown_adapter_lists_the_ones_there_are(folder):
    (fault,) = faults(folder, GOOD.replace("own.crm", "csv_foldr"))
    listed = ", ".join(shipped(Source))
    assert fault == (
        f"5: sources.crm.adapter: 'csv_foldr' is no source, expected one of: {listed}, "
        "or a dotted path of your own; did you mean csv_folder?"
    )


def test_a_dotted_path_that_cannot_be_used_is_a_fault(folder):
    (fault,) = faults(folder, GOOD.replace("own.crm", "no.such.module"))
    assert "cannot be imported (ModuleNotFoundError: No module named 'no'), expected a Python module" in fault
    (fault,) = faults(folder, GOOD.replace("own.crm", "own.crm:Writer"))
    assert "is no source" in fault


def test_our_adapters_are_loaded_from_beside_the_package_whatever_else_is_called_adapters(monkeypatch):
    monkeypatch.setitem(sys.modules, "adapters", types.ModuleType("adapters"))
    monkeypatch.delitem(sys.modules, "adapters.csv_folder", raising=False)
    made = load_adapter("csv_folder", Source)
    assert (made.__name__, made.__module__) == ("CsvFolder", "adapters.csv_folder")
    assert load_adapter("csv_folder", Source) is made


def test_each_of_our_adapters_holds_one_port_or_one_of_each():
    ports = {name: (name in shipped(Source), name in shipped(Destination)) for name in shipped(Source)}
    assert ports["csv_folder"] == (True, False)
    for port in (Source, Destination):
        assert [load_adapter(name, port).Settings.model_config["extra"] for name in shipped(port)] == [
            "forbid" for _ in shipped(port)
        ]


def test_a_mapping_is_a_path_or_the_name_of_one_we_ship(folder):
    assert mapping_path("tryton", str(folder)) == ROOT / "mappings" / "tryton.yaml"
    assert mapping_path("mappings/crm.yaml", str(folder)) == folder / "mappings" / "crm.yaml"
    with pytest.raises(LookupError, match=r"there is no mapping 'trytn', expected .* one we ship: .*tryton"):
        mapping_path("trytn", str(folder))


def test_what_only_some_destinations_can_is_a_fault_for_the_others(folder):
    text = f"""{GOOD}destinations:
  hr: {{adapter: own.crm, token: t, parallel: 4, withdraw: yes}}
  files: {{adapter: file, path: out/kpi.csv, withdraw: true}}
"""
    assert faults(folder, text) == [
        "9: destinations.hr.parallel: own.crm makes one call at a time, expected 1",
        "9: destinations.hr.withdraw: own.crm cannot take anything back, expected no",
    ]
    loaded = load(folder, text.replace("parallel: 4, withdraw: yes", "verify: weekly, adjustments: separate"))
    hr, files = loaded.destinations["hr"], loaded.destinations["files"]
    assert (hr.withdraw, files.withdraw, hr.parallel, hr.adjustments) == (False, True, 1, "separate")
    assert (hr.verify_every, files.verify_every, files.on_drift) == (timedelta(days=7), None, "report")


# --- what users read -------------------------------------------------------------------------------------------------


def every_key() -> set[str]:
    models = (ConfigKeys, CloseKeys, FxKeys, GuardKeys, SourceKeys, DestinationKeys, KpiKeys, OkrsKeys, AskKeys,
              ProfileKeys, ScorecardKeys)
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def test_the_example_loads():
    loaded = config.load(str(ROOT / "config.example.yaml"), {"TRYTON_KEY": "k"})
    assert [made.id for made in loaded.kpis] == ["won_value", "win_rate", "conversion"]


def test_what_the_example_shows_as_comments_loads_too(folder):
    text = (ROOT / "config.example.yaml").read_text()
    shown = re.sub(r"^(\s*)# (\w+: )", r"\1\2", text, flags=re.MULTILINE)
    assert shown.count("\n#") < text.count("\n#")
    loaded = load(
        folder, shown, TRYTON_KEY="k", BI_PASSWORD="p", S3_KEY="k", S3_SECRET="s", HOOK_URL="https://hr.example.vn/hook",
        HOOK_SECRET="whsec_" + "bmV3" * 8, SLACK_ADDRESS="slack://T/B/C",
    )
    assert {"bi", "lake", "alerts", "events", "news"} <= loaded.destinations.keys()
    assert loaded.sources["erp"].since is not None
    assert loaded.fx == folder / "fx.csv"


def test_every_key_is_explained_in_the_example_and_in_the_docs():
    example = (ROOT / "config.example.yaml").read_text()
    docs = (ROOT / "docs" / "config.md").read_text()
    assert [key for key in every_key() if not re.search(rf"\b{key}: ?", example)] == []
    assert [key for key in every_key() if f"`{key}`" not in docs] == []


def test_the_schema_in_the_docs_is_this_one():
    """When it is stale: python -m connector.config.schema > docs/config.schema.json"""
    assert (ROOT / "docs" / "config.schema.json").read_text() == config_schema.text()


def test_every_key_in_the_schema_is_described():
    whole = config_schema.schema()
    pending, missing = [whole, *whole["$defs"].values()], []
    while pending:
        node = pending.pop()
        keys = node.get("properties", {})
        told = {name: one for name, one in keys.items() if one is not True}
        missing += [name for name, one in told.items() if not {"description", "$ref"} & one.keys()]
        inner = [node.get("items"), node.get("additionalProperties"), node.get("then"), *keys.values()]
        pending += [one for one in (*inner, *node.get("allOf", ()), *node.get("anyOf", ())) if isinstance(one, dict)]
    assert missing == []


def test_the_schema_knows_the_keys_of_our_adapters():
    source = config_schema.schema()["properties"]["sources"]["additionalProperties"]
    (csv,) = [one["then"] for one in source["allOf"] if one["if"]["properties"]["adapter"]["const"] == "csv_folder"]
    assert {"folder", "files", "mapping"} <= csv["properties"].keys()
    assert csv["additionalProperties"] is False


def test_the_words_for_per_and_every_are_those_of_the_kpis():
    keys = KpiKeys.model_json_schema()["properties"]
    assert (keys["per"]["enum"], keys["every"]["enum"]) == (list(PER), list(EVERY))


@pytest.mark.parametrize("hr", [
    "odoo_goals, base_url: 'https://x', database: d, user: u, key: k, goals: {won_value: {definition: Revenue}}",
    "frappe_hrms, base_url: 'https://x', key: k, secret: s, goals: {won_value: {}}",
])
def test_a_kpi_that_a_destination_says_nothing_of_cannot_be_pushed_there(folder, hr):
    text = f"""{GOOD}destinations:
  hr: {{adapter: {hr}}}
kpis:
  - {{id: won_value, metric: won_value, push: [hr]}}
  - {{id: won_count, metric: won_count, push: [hr]}}
"""
    assert faults(folder, text) == [
        "12: kpis[1].push[0]: hr says nothing of won_count; add it there, or take it out of push",
    ]
