"""Two installations that load tests/data/edge_cases: as the files are, and with employees and split deals."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connector.app import App
from connector.testing import FakeClock
from tests.product.asking import DATA

NOW = datetime(2025, 3, 30, 17, tzinfo=UTC)  # 2025-03-31 00:00 local: the as-of of the ground truth
SALES = "where: {pipeline: sales}"

COMMON = """\
store: {store}
timezone: Asia/Ho_Chi_Minh
currency: USD
fx: {{file: fx.csv}}
sources:
  crm:
    adapter: csv_folder
    mapping: edge_cases.yaml
    history_import: true
    folder: {data}
    files:
      deals: {{file: deals.csv, key: deal_id}}
      leads: {{file: leads.csv, key: lead_id}}
      transitions: {{file: stage_transitions.csv, key: transition_id}}
      owners: {{file: owners.csv, key: owner}}
      owner_history: {{file: deal_owner_history.csv, key: [deal_id, from_at]}}
      activities: {{file: activities.csv, key: activity_id}}
"""

PLAIN_KPIS = f"""\
kpis:
  - {{id: won_count, metric: won_count}}
  - {{id: won_value, metric: won_value}}
  - {{id: average, metric: average_deal_value}}
  - {{id: rate, metric: win_rate_count}}
  - {{id: rate_value, metric: win_rate_value}}
  - {{id: cycle, metric: cycle_length}}
  - {{id: cycle_mean, metric: cycle_length, options: {{stat: mean}}}}
  - {{id: lost, metric: lost_reasons}}
  - {{id: lost_money, metric: lost_reasons, options: {{measure: value}}}}
  - {{id: leads, metric: lead_volume}}
  - {{id: lead_to_won, metric: lead_to_won}}
  - {{id: weighted, metric: weighted_pipeline}}
  - {{id: won_count_at_event, metric: won_count, per: owner}}
  - {{id: won_value_at_event, metric: won_value, per: owner}}
  - {{id: won_count_actor, metric: won_count, per: owner, options: {{credit: actor}}}}
  - {{id: won_value_actor, metric: won_value, per: owner, options: {{credit: actor}}}}
  - {{id: open_of_owner, metric: open_pipeline, per: owner}}
  - {{id: lost_of_pipeline, metric: lost_reasons, per: pipeline}}
  - {{id: entries, metric: stage_entries, every: all, {SALES}}}
  - {{id: reached, metric: stage_conversion, every: all, {SALES}}}
  - {{id: partner_reached, metric: stage_conversion, every: all, where: {{pipeline: partner}}}}
  - {{id: days_mean, metric: stage_duration, every: all, {SALES}, options: {{stat: mean}}}}
  - {{id: days_median, metric: stage_duration, every: all, {SALES}}}
  - {{id: days_p90, metric: stage_duration, every: all, {SALES}, options: {{stat: p90}}}}
  - {{id: open_value, metric: open_pipeline, every: day}}
  - {{id: open_count, metric: open_pipeline, every: day, options: {{measure: count}}}}
  - {{id: open_of_pipeline, metric: open_pipeline, every: day, per: pipeline, options: {{measure: count}}}}
  - {{id: leads_of_day, metric: lead_volume, every: day}}
  - {{id: no_amount, metric: quality_amount_missing, per: owner}}
  - {{id: no_reason, metric: quality_share, options: {{check: reason_missing}}}}
  - {{id: moved_back, metric: quality_moved_back, every: all, options: {{measure: value}}}}
  - {{id: removed, metric: quality_removed, every: all, per: owner, options: {{measure: value}}}}
"""

PEOPLE = """\
employee_code,name,owner,team,from,to,ignore
NV001,Anh,crm:A,north,,2025-01-31,
NV001,Anh,crm:A,east,2025-02-01,,
NV004,Dung,,north,,,
,,crm:C,,,,yes
"""

SHARES = "deal_id,owner,share\nD05,A,0.4\nD05,B,0.6\n"

SHARE_ENTITY = """\
  - {entity: deal_owner, stream: shares, fields: {deal: deal_id, owner: owner, share: share,
     seen_at: {const: "2025-01-10T03:00:00Z"}}}

tests:
"""

STAFFED_KPIS = """\
kpis:
  - {id: of_deal_value, metric: won_value, per: owner, by: extra.deal, every: day}
  - {id: of_deal_count, metric: won_count, per: owner, by: extra.deal, every: day}
  - {id: of_deal_lost, metric: lost_reasons, per: owner, by: extra.deal, every: day, options: {measure: value}}
  - {id: of_deal_cycle, metric: cycle_length, by: extra.deal, every: day}
  - {id: of_deal_entries, metric: stage_entries, by: extra.deal, every: all, where: {stage: Hearing}}
  - {id: at_event, metric: won_value, per: person}
  - {id: actor, metric: won_value, per: person, options: {credit: actor}}
  - {id: current, metric: won_value, per: person, options: {credit: current}}
  - {id: split, metric: won_value, per: person, options: {credit: split}}
  - {id: split_count, metric: won_count, per: person, options: {credit: split}}
  - {id: rate, metric: win_rate_count, per: person}
  - {id: team, metric: won_value, per: team}
  - {id: january, metric: stage_entries, per: owner, where: {stage: Inquiry}}
  - {id: january_current, metric: stage_entries, per: owner, where: {stage: Inquiry}, options: {credit: current}}
"""


def plain(folder: Path, store: str) -> App:
    """Without a people file, with the mapping as it lies in tests/data."""
    return _load(folder, store, (DATA / "edge_cases.yaml").read_text("utf-8"), COMMON, PLAIN_KPIS)


def staffed(folder: Path, store: str) -> App:
    """A sells as NV001 and changed teams, B is no employee, C is ignored; D05 is shared; each deal is a dimension."""
    mapping = (DATA / "edge_cases.yaml").read_text("utf-8")
    mapping = mapping.replace("\ntests:\n", "\n" + SHARE_ENTITY)
    own_field = "recycled_from: recycled_from\n      extra.deal: deal_id\n"
    mapping = mapping.replace("recycled_from: recycled_from\n", own_field)
    (folder / "people.csv").write_text(PEOPLE, "utf-8")
    (folder / "shares.csv").write_text(SHARES, "utf-8")
    shares = f"      shares: {{{{file: {folder / 'shares.csv'}, key: [deal_id, owner]}}}}\npeople: people.csv\n"
    return _load(folder, store, mapping, COMMON + shares, STAFFED_KPIS)


def _load(folder: Path, store: str, mapping: str, common: str, kpis: str) -> App:
    (folder / "edge_cases.yaml").write_text(mapping, "utf-8")
    (folder / "fx.csv").write_text((DATA / "edge_cases" / "fx_rates.csv").read_text("utf-8"), "utf-8")
    config = common.format(store=store, data=DATA / "edge_cases") + kpis
    (folder / "config.yaml").write_text(config, "utf-8")
    return App.load(str(folder / "config.yaml"), FakeClock(NOW), {})
