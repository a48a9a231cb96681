"""Each exit code by a real cause, with the fault on standard error and, by `--json`, on standard output."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from connector.ports import SystemClock
from connector.store.store import Store
from tests.e2e.project import COMMAND, Project

BROKEN_SHOP = '''\
from connector.ports import AdapterSettings, Source, Stream

class Shop(Source):
    """A source with a bug."""

    def streams(self):
        return [Stream("owners"), Stream("deals")]

    def now(self):
        return self.context.clock.now()

    def read(self, stream, window, position=None):
        raise RuntimeError("the token hush-hush-1 was in a local variable")

    def records(self, stream, exchanges):
        return iter(())
'''


def test_0_when_all_was_done(project: Project) -> None:
    assert project.process("sync").code == 0


def test_1_for_a_record_that_cannot_be_mapped_until_it_is_accepted(project: Project) -> None:
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,7,2026-01-06")
    first = project.process("sync", "--json")
    assert (first.code, first.json["status"]) == (1, "findings")
    assert first.json["sources"][0]["streams"][1]["quarantined"] == 1
    assert project("sync").code == 1, "nothing changed, and the record is still unread"
    item = project("quarantine", "--json").json[0]
    assert (item["item"], item["pipeline"]) == ("crm/deals/2", "sales")
    assert project("quarantine", "accept", item["item"]).code == 0
    assert project("sync").code == 0


def test_2_for_every_fault_of_the_config_at_once_and_nothing_ran(project: Project) -> None:
    project.replace("config.yaml", "currency: USD", "currency: dollars")
    project.replace("config.yaml", "metric: won_value", "metric: won_valu")
    result = project.process("sync", "--json")
    assert result.code == 2
    error = result.json["error"]
    assert error["class"] == "ConfigError"
    assert error["where"] == "config.yaml:2"
    assert "config.yaml:2: currency" in result.err
    assert "won_valu" in result.err
    assert not (project.folder / "connector.db").exists()


def test_2_for_a_mapping_with_a_fault(project: Project) -> None:
    project.replace("crm.yaml", "as: money", "as: monney")
    result = project.process("sync")
    assert result.code == 2
    assert result.err.startswith("ConfigError: crm.yaml:12: entities[1].fields.amount.as: ")


def test_2_for_a_command_line_nobody_understands(project: Project) -> None:
    for arguments in (["sing"], ["sync", "--loud"], ["sync", "nowhere"], ["kpi", "--period", "May"], ["resync", "crm"]):
        result = project(*arguments, "--json")
        assert result.code == 2, arguments
        assert result.json["error"]["class"] in ("UsageError", "ConfigError")
        assert result.err.startswith(result.json["error"]["class"])


def test_3_for_a_source_that_does_not_answer_while_the_others_go_on(project: Project) -> None:
    project.replace(
        "config.yaml", "sources:\n",
        "sources:\n  gone: {adapter: csv_folder, mapping: crm.yaml, folder: elsewhere,\n"
        "    files: {owners: {file: o.csv, key: id}, deals: {file: d.csv, key: id}}}\n",
    )
    result = project.process("sync", "--json")
    assert (result.code, result.json["status"]) == (3, "failed")
    found = {source["source"]: source for source in result.json["sources"]}
    assert (found["gone"]["status"], found["crm"]["status"]) == ("failed", "ok")
    assert all(stream["error"] for stream in found["gone"]["streams"])
    assert [stream["records"] for stream in found["crm"]["streams"]] == [2, 3]
    assert (project.folder / "out" / "kpi-2026-01.csv").exists()


def test_4_for_a_full_pass_that_is_suddenly_empty_and_a_person_decides(project: Project) -> None:
    assert project("sync").code == 0
    before = project("kpi", "--json", "--period", "2026-01").json
    rows = (project.folder / "export/deals.csv").read_text()
    project.write("export/deals.csv", rows.splitlines()[0] + "\n")
    result = project.process("sync", "--json")
    assert (result.code, result.json["status"]) == (4, "stopped")
    after = project("kpi", "--json", "--period", "2026-01").json
    assert [one["value"] for one in after] == [one["value"] for one in before]
    (stop,) = project("stops", "--json").json
    assert (stop["source"], stop["stream"], stop["shown"], stop["known"]) == ("crm", "deals", 0, 3)
    assert project("stops", "refuse", stop["id"], "--reason", "export broke").code == 0
    project.write("export/deals.csv", rows)
    assert project("sync").code == 0


def test_5_for_a_store_that_is_broken(project: Project) -> None:
    project.write("connector.db", "this is no database, though long enough to look like one\n" * 99)
    result = project.process("sync", "--json")
    assert result.code == 5
    assert result.json["error"]["class"] == "StoreError"
    assert "StoreError: " in result.err


def test_70_for_a_bug_of_ours_whose_traceback_only_the_user_may_read(project: Project) -> None:
    project.write("shop.py", BROKEN_SHOP)
    project.replace("config.yaml", "sources:\n", "sources:\n  shop: {adapter: shop.py_, mapping: crm.yaml}\n")
    project.replace("config.yaml", "shop.py_", "shop:Shop")
    result = project.process("sync", "--json")
    assert result.code == 70
    log = Path(result.json["error"]["where"])
    assert log.parent == project.folder
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "RuntimeError" in log.read_text()
    assert "hush-hush" not in result.out + result.err
    assert (project.folder / "out" / "kpi-2026-01.csv").exists(), "the other source went on"
    assert project("runs", "--json").json[0]["status"] == "failed"


def test_75_when_another_run_holds_every_stream_and_nothing_was_done(project: Project) -> None:
    store = Store.open(f"sqlite:///{project.folder / 'connector.db'}", SystemClock())
    leases = [store.acquire(f"crm/{stream}") for stream in ("owners", "deals")]
    result = project.process("sync", "--json")
    assert result.code == 75
    assert str(os.getpid()) in result.json["error"]["message"]
    assert project("resync", "crm", "--full", "--json").code == 75
    assert project("runs", "--json").json == []
    store.release(leases.pop())
    half = project("resync", "crm", "--full", "--json")
    read = {stream["stream"]: stream["status"] for stream in half.json["sources"][0]["streams"]}
    assert (half.code, read) == (1, {"owners": "busy", "deals": "ok"})
    for lease in leases:
        store.release(lease)
    assert project("sync").code == 0
    store.close()


def test_a_closed_pipe_and_ctrl_c_say_nothing(project: Project) -> None:
    done = os.system(f"cd {project.folder} && {COMMAND} --help | head -1 > /dev/null 2> closed.txt")  # noqa: S605
    assert done == 0
    assert (project.folder / "closed.txt").read_text() == ""
