"""YAML documents: plain data, the line of every value, faults in one go, and `${…}`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import document
from connector.errors import ConfigError

CONFIG = """\
store: sqlite:///a.db
kpis:
  - id: won
    where: {pipeline: 75}
  - id: lost
stages:
  75: won
  0123: lost
  true: open
  2026-01-01: closed
  "9": fine
  998877: {to: proposal}
"""


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        document.load(text, "f.yaml")
    return [str(fault) for fault in raised.value.faults]


def test_values_are_read_by_the_core_schema_of_yaml_1_2():
    text = "a: 0123\nb: 0o17\nc: yes\nd: 2024-01-01\ne: 1_000\nf: 1.5\ng: !!str 75\nh: ~\ni: '75'\n"
    text += "j: 0x1F\nk: [on, True]"
    assert document.load(text, "f").data == {
        "a": 123, "b": 15, "c": "yes", "d": "2024-01-01", "e": "1_000", "f": 1.5, "g": "75", "h": None, "i": "75",
        "j": 31, "k": ["on", True],
    }


def test_every_value_knows_its_line_and_an_absent_one_that_of_its_nearest_ancestor():
    loaded = document.load(CONFIG, "f.yaml")
    assert [loaded.line(path) for path in (("kpis", 1, "id"), ("kpis", 0, "where", "pipeline"), ("kpis",))] == [5, 4, 2]
    assert loaded.line(("kpis", 1, "per")) == 5
    assert loaded.line(("nothing",)) == 1


def test_a_fault_says_file_line_and_dotted_key():
    fault = document.load(CONFIG, "f.yaml").fault(("kpis", 0, "where", "pipeline"), "wrong")
    assert str(fault) == "f.yaml:4: kpis[0].where.pipeline: wrong"


def test_keys_that_lost_their_quotes_stay_as_read_and_are_found():
    loaded = document.load(CONFIG, "f.yaml")
    assert loaded.data["stages"][75] == "won"
    assert loaded.unquoted(("stages",)) == [("stages", key) for key in (75, 123, True, "2026-01-01", 998877)]
    assert loaded.unquoted(("kpis",)) == []


def test_the_fault_of_a_lost_quote_shows_the_text_as_written():
    loaded = document.load(CONFIG, "f.yaml")
    assert str(loaded.quote_it(("stages", 123))) == (
        'f.yaml:8: stages.123: the key 0123 is read as a number, expected text; quote it: "0123"'
    )
    assert str(loaded.quote_it(("kpis", 0, "where", "pipeline"))).endswith(
        'the value 75 is read as a number, expected text; quote it: "75"'
    )


def test_all_duplicate_keys_are_said_at_once():
    loaded = document.load("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n  c: 3\n", "f.yaml")
    assert [str(fault) for fault in loaded.faults] == [
        "f.yaml:2: a: the key is given twice, first on line 1; expected it once",
        "f.yaml:5: b.c: the key is given twice, first on line 4; expected it once",
        "f.yaml:6: b.c: the key is given twice, first on line 4; expected it once",
    ]


def test_of_a_duplicate_key_the_last_value_is_read_so_that_the_file_s_other_faults_are_found_too():
    loaded = document.load("a: {x: 1, y: 2}\na: {y: 3}\nb: 4\n", "f.yaml")
    assert loaded.data == {"a": {"y": 3}, "b": 4}
    assert (loaded.line(("a", "y")), loaded.line(("a", "x"))) == (2, 2)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\tb: 1\n", 2, "a tab stands"),
        ("a: 1\nb: [1\n", 2, "not valid YAML"),
        ("a: 1\nb: \"x\nc: 1\nd: \"y\"\n", 2, "the quote that opens here closes only on line 4"),
        ("a: \"x\nb: 1\n", 1, "the quote that opens here never closes"),
        ("a: 'it's'\n", 1, "text goes on behind a closing quote"),
        ("a: b: c\n", 1, "a colon too many"),
        ("a: *x\n", 1, "no text begins with *"),
        ("a:\n   b: 1\n  c: 2\n", 3, "the line does not begin in the column of its neighbours"),
        ("a: 1\n---\nb: 1\n", 2, "a second document"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: 1\nb: \x01\n", 2, "control character"),
        ("a: !secret x\n", 1, "the tag !secret"),
        ("[1, 2]: 3\n", 1, "stands as a key"),
        ("a: &x [*x]\n", 1, "without end"),
        ("a: &x {<<: *x}\nb: {<<: *x}\n", 1, "<< merges"),
        ("[" * 5000, 0, "nested too deeply"),
    ],
)
def test_text_that_is_no_plain_yaml_is_one_fault_with_its_line(text, line, words):
    (fault,) = faults(text)
    assert fault.startswith(f"f.yaml:{line}: " if line else "f.yaml: ")
    assert words in fault


def test_aliases_that_multiply_without_end_are_refused():
    lines = ["a: &a [1,1,1,1,1,1,1,1,1]"]
    lines += [f"{key}: &{key} [{','.join([f'*{last}'] * 9)}]" for last, key in zip("abcdefg", "bcdefgh", strict=True)]
    assert "without end" in faults("\n".join(lines))[0]


def test_defaults_are_merged_and_the_keys_beside_them_win():
    loaded = document.load("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n", "f")
    assert loaded.data["other"] == {"a": 1, "b": 3}
    assert loaded.line(("other", "a")) == 1


def test_an_empty_file_is_none():
    assert document.load("# nothing yet\n", "f").data is None


def fill(text: str, **environment: str) -> document.Substituted:
    def read_file(path: str) -> str:
        if path != "/run/secrets/hr":
            raise FileNotFoundError(2, "No such file or directory")
        return "s3cret\n"

    return document.substitute(document.load(text, "f"), environment, read_file)


def test_variables_files_defaults_and_dollars_are_filled_in_after_parsing():
    filled = fill(
        "a: x${A}y\nb: ['${B:-d}', '${file:/run/secrets/hr}']\nc: $$ $5 $\n${A}: ${A}\nd: ${E:-}", A="k: [1", E=""
    )
    assert filled.document.data == {
        "a": "xk: [1y", "b": ["d", "s3cret"], "c": "$ $5 $", "${A}": "k: [1", "d": "",
    }
    assert filled.secrets == {"k: [1", "s3cret"}
    assert filled.faults == []


def test_what_was_filled_in_is_not_searched_again():
    assert fill("a: ${A}", A="${B} $$").document.data == {"a": "${B} $$"}


def test_everything_that_cannot_be_filled_in_is_a_fault_of_its_line():
    filled = fill("a: ${NO}\nb: {c: '${file:/none}'}\nd: ${a b}\ne: '${'\n")
    assert [(fault.line, fault.key) for fault in filled.faults] == [(1, "a"), (2, "b.c"), (3, "d"), (4, "e")]
    assert filled.faults[0].message == "${NO} is not set in the environment, expected a value; set NO"


def test_a_filled_in_secret_is_not_in_the_repr():
    assert "hunter2" not in repr(fill("a: ${A}", A="hunter2").document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["C"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc.", min_size=1), inner),
    )
)
def test_what_json_says_is_read_back_exactly(value):
    import json

    assert document.load(json.dumps(value), "f").data == value
