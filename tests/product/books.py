"""An installation whose months are closed and whose past changes: short words for long stories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.app import App
from connector.testing import FakeClock
from tests.e2e.project import make

Keys = dict[tuple[str, ...], Any]


class Books:
    """Three deals of January, two sellers (tests/e2e/project.py); every step takes some minutes of its clock."""

    def __init__(self, folder: Path, url: str, clock: FakeClock, *, top: str = "", kpis: str = "") -> None:
        self.project, self.clock = make(folder), clock
        self.project.replace("config.yaml", "timezone:", f"store: {url}\nguard: {{shrink: 100%}}\n{top}timezone:")
        if kpis:
            self.project.replace("config.yaml", "kpis:\n", f"kpis:\n{kpis}")
        self.app = App.load(str(folder / "config.yaml"), clock, {})

    def configured(self, old: str, new: str) -> None:
        """The config is changed, and a run takes it up."""
        self.project.replace("config.yaml", old, new)
        self.reload()
        self.sync()

    def reload(self) -> None:
        """Start again with the config as it stands."""
        self.app.close()
        self.app = App.load(str(self.project.folder / "config.yaml"), self.clock, {})

    def sync(self, code: int = 0) -> Any:
        self.clock.advance(minutes=5)
        answer = self.app.sync(push=False)
        assert answer.exit_code == code, answer.value
        return answer.value

    def edit(self, old: str, new: str, file: str = "export/deals.csv", code: int = 0) -> Any:
        """A file is changed, and read again."""
        self.project.replace(file, old, new)
        return self.sync(code)

    def close(self, period: str = "2026-01", **options: Any) -> Any:
        self.clock.advance(minutes=5)
        return self.app.close_period(period, **options).value

    def reopen(self, period: str = "2026-01") -> None:
        self.clock.advance(minutes=5)
        self.app.reopen_period(period, "why")

    def adjustments(self, kpi: str = "won_value", **question: Any) -> list[dict[str, Any]]:
        return [one for one in self.app.adjustments(**question).value if one["kpi"] == kpi]

    def decide(self, adjustment: dict[str, Any], decision: str = "accept") -> dict[str, Any]:
        self.clock.advance(minutes=1)
        return dict(self.app.decide_adjustment(adjustment["id"], decision, "why").value)

    def values(self, kpi: str = "won_value", period: str = "2026-01", **question: Any) -> Keys:
        """The value by subject and dimensions."""
        return {key: one["value"] for key, one in self.objects(kpi, period, **question).items()}

    def objects(self, kpi: str = "won_value", period: str = "2026-01", **question: Any) -> Keys:
        found = self.app.kpi(kpi, period=period, **question).value
        return {(one["subject"]["key"], *one["dimensions"].values()): one for one in found}

    def moment(self) -> str:
        """An instant with nothing on either side of it."""
        self.clock.advance(minutes=1)
        now = self.clock.now().isoformat()
        self.clock.advance(minutes=1)
        return now
