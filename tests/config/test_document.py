from __future__ import annotations

from pathlib import Path

import pytest

from config.document import read_document
from config.problems import ConfigError, dotted


def problem_of(path: Path, data: str | bytes) -> str:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(ConfigError) as raised:
        read_document(path)
    assert str(path) in str(raised.value)
    return "\n".join(str(problem) for problem in raised.value.problems)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: 1 problem\n  there is no such file"):
        read_document(tmp_path / "nowhere.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(tmp_path)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, text: str) -> None:
    assert "the file is empty" in problem_of(tmp_path / "c", text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "4\n"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "line 1: the file must hold a mapping" in problem_of(tmp_path / "c", text)


def test_a_fault_of_syntax_names_line_and_column(tmp_path: Path) -> None:
    problem = problem_of(tmp_path / "c", "a: 1\nb: [1, 2\nc: 3\n")
    assert problem.startswith("line 3: not YAML: ")
    assert problem.endswith("(column 2)")


def test_a_tab_as_indentation_is_a_fault_of_syntax(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "c", "a:\n\tb: 1\n").startswith("line 2: not YAML: ")


def test_a_second_document_is_refused(tmp_path: Path) -> None:
    assert "not YAML: expected a single document" in problem_of(tmp_path / "c", "a: 1\n---\nb: 2\n")


def test_every_key_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    problem = problem_of(tmp_path / "c", "a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert problem == (
        "line 2: b.c: stands twice in b, first on line 2\nline 3: a: stands twice in the file, first on line 1"
    )


def test_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "c", "? [a, b]\n: 1\n") == "line 1: a key must be plain text"


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "c", b"a: 1\nb: \xff\n") == "line 2: not UTF-8 text"
    assert problem_of(tmp_path / "c", "a: 1\nb: \x07\n").startswith("line 2: the character U+0007")


def test_a_date_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "a value cannot be read: month must be in 1..12" in problem_of(tmp_path / "c", "a: 2024-13-45\n")


def test_tags_build_no_objects(tmp_path: Path) -> None:
    problem = problem_of(tmp_path / "c", "a: !!python/object/apply:os.getcwd []\n")
    assert "could not determine a constructor" in problem


def test_a_value_within_itself_is_refused(tmp_path: Path) -> None:
    assert "not YAML: found unconstructable recursive node" in problem_of(tmp_path / "c", "a: &a {b: *a}\n")


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    assert "nested too deeply" in problem_of(tmp_path / "c", "a: " + "[" * 100_000)


def test_a_file_of_another_kind_is_refused_unread(tmp_path: Path) -> None:
    assert "is no configuration" in problem_of(tmp_path / "c", "# " + "x" * 1_000_000)


def test_aliases_of_aliases_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    (tmp_path / "c").write_text("\n".join(lines))
    assert len(read_document(tmp_path / "c").values) == 30


def test_a_merged_mapping_yields_to_the_keys_beside_it(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("base: &b {x: 1, y: 2}\nother:\n  <<: *b\n  y: 3\n")
    document = read_document(tmp_path / "c")
    assert document.values["other"] == {"x": 1, "y": 3}


def test_lines_are_those_of_the_keys_or_of_the_nearest_above(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a:\n  b: 1\n  c:\n    - x\n    - y\n")
    document = read_document(tmp_path / "c")
    paths = [("a",), ("a", "b"), ("a", "c", 1), ("a", "missing"), ("missing",)]
    assert [document.line_of(path) for path in paths] == [1, 2, 5, 1, None]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(tmp_path / "c").values == {"a": 1}


def test_a_path_is_written_as_people_write_it() -> None:
    assert dotted(("models", "a.b", "features", 0)) == 'models."a.b".features[0]'
