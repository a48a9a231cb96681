"""A slip in a YAML or table file is told with its file, line, key and remedy before anything runs, and nothing runs.
What only the records show to be wrong is told by `connector mapping lint` once they are landed, with exit code 1.

`python -m tests.workbench.test_faults > docs/faults.md` writes the page anew from what is said.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.workbench.slips import Slip, installed
from tests.workbench.slips_listed import IN_CONFIG, IN_DATA, IN_MAPPING, IN_TABLES, SLIPS

PAGE = Path(__file__).parents[2] / "docs/faults.md"
REMEDY = "Correct the lines named and start again; nothing ran."

INTRODUCTION = """\
# Faults of YAML and table files

`connector check` reads the config and all files it names, tells every fault at once and ends with exit code 2; so does
each other command, before anything runs. A fault reads `file:line: key: what is wrong, what is expected`; of a workbook
the line is the row. Each row here is one slip, with what the command says of it; `→` is a tab.

No faults are: a byte order mark, semicolons or tabs between the cells of a CSV, UTF-16 with its mark (Excel's "Unicode
text"), columns of your own, blank rows.
"""
IN_RECORDS = """\
## Found with the records

Of these no file shows that they are wrong. `connector mapping lint` compares the mapping with what is landed, and ends
with exit code 1; so does a sync that meets an unmapped stage, and `connector quarantine causes` names the same line."""
PARTS = (("## config.yaml", IN_CONFIG), ("## Mappings", IN_MAPPING), ("## Tables", IN_TABLES), (IN_RECORDS, IN_DATA))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An installation without a fault."""
    return installed(tmp_path)


def told(project: Project, slip: Slip) -> tuple[str, str, str]:
    """What is said of the slip; what has to stand before it (place and key); and the slip's row of the page."""
    line, written = slip.make(project)
    result = project("check", "--json")
    error = result.json["error"]
    assert (result.code, error["class"], error["remedy"]) == (2, "ConfigError", REMEDY)
    said = error["message"]
    row = " | ".join(text.replace("|", "\\|") for text in (slip.kind, f"`{written}`", f"`{said}`"))
    return said, f"{slip.file}:{line}: {slip.key}{': ' if slip.key else ''}", f"| {row} |"


@pytest.mark.parametrize("slip", SLIPS, ids=[slip.kind for slip in SLIPS])
def test_a_slip_is_told_with_file_line_key_and_remedy_and_stands_on_the_page(project: Project, slip: Slip) -> None:
    said, place, row = told(project, slip)
    assert said.startswith(place)
    assert "\n" not in said, "one slip, one fault"
    for words in slip.says:
        assert words in said.removeprefix(place)
    assert not (project.folder / "connector.db").exists()
    assert row in PAGE.read_text("utf-8"), "write the page anew, see above"


def test_the_installation_without_a_slip_has_no_fault(project: Project) -> None:
    assert project("check").code == 0


def test_a_byte_order_mark_semicolons_and_utf_16_are_no_faults(project: Project) -> None:
    for name, encoding in (("people.csv", "utf-8-sig"), ("targets.csv", "utf-16")):
        path = project.folder / name
        path.write_bytes(path.read_text("utf-8").replace(",", ";").replace("\n", "\r\n").encode(encoding))
    assert project("check").code == 0


def test_the_faults_of_all_files_are_told_at_once(project: Project) -> None:
    chosen = {"unknown time zone", "unknown field", "e-mail of two persons", "rate that is none"}
    places = [f"{slip.file}:{slip.make(project)[0]}" for slip in SLIPS if slip.kind in chosen]
    said = project("check", "--json").json["error"]["message"]
    assert [line.split(": ")[0] for line in said.splitlines()] == places


def found(project: Project, slip: Slip) -> tuple[list[dict[str, Any]], int, str]:
    """What the mapping is found to be at fault in with the records; the line of the slip; its row of the page."""
    line, written = slip.make(project)
    header, *rows = (project.folder / "export/deals.csv").read_text("utf-8").splitlines()
    more = (row.replace(row[0], str(number), 1) for number, row in enumerate([*rows] * 10, 1))
    project.write("export/deals.csv", "\n".join([header, *more, ""]))
    assert project("sync", "--json").code in (0, 1)
    result = project("mapping", "lint", "--json")
    assert result.code == 1
    (source,) = result.json["sources"]
    said = "; ".join(f"{one['file']}:{one['line']}: {one['message']}; {one['remedy']}" for one in source["findings"])
    return source["findings"], line, f"| {slip.kind} | `{written}` | `{said}` |"


@pytest.mark.parametrize("slip", IN_DATA, ids=[slip.kind for slip in IN_DATA])
def test_what_only_the_records_show_is_found_with_file_line_and_remedy(project: Project, slip: Slip) -> None:
    (finding,), line, row = found(project, slip)
    assert (finding["file"], finding["line"]) == (slip.file, line)
    for words in slip.says:
        assert words in f"{finding['message']}; {finding['remedy']}"
    assert row in PAGE.read_text("utf-8"), "write the page anew, see above"


def page() -> str:
    """The page as it should be."""
    parts = [INTRODUCTION]
    for title, slips in PARTS:
        rows = []
        for slip in slips:
            with tempfile.TemporaryDirectory() as folder:
                rows.append((found if slip in IN_DATA else told)(installed(Path(folder)), slip)[2])
        parts.append("\n".join([title, "", "| slip | the line | what is said |", "| --- | --- | --- |", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
