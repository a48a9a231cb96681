"""The account that the tests of the workbench begin with is read as it was filled."""

from __future__ import annotations

from tests.e2e.project import Project
from tests.workbench.account import TOKEN


def test_the_account_syncs_and_pays(project: Project) -> None:
    done = project("sync", "--json", **TOKEN)
    assert done.code == 0, done
    values = project("kpi", "won_value", "--period", "2026-09", "--json", **TOKEN).json
    # Deals 0 and 4 are Ana's, 1 and 7 Bo's; a deal takes six days, so the first four end in September: 0 and 1 are won.
    assert {one["subject"]["key"]: one["value"] for one in values} == {"NV001": "1000.50", "NV002": "1250.50"}
