from __future__ import annotations

from pathlib import Path

from operators.part_files import part_lines, row_text


def test_the_lines_of_all_committed_parts_are_read(tmp_path: Path) -> None:
    (tmp_path / "2023-11-14--22").mkdir()
    (tmp_path / "2023-11-14--23").mkdir()
    (tmp_path / "2023-11-14--22" / "part-a-0").write_text("1\n2\n")
    (tmp_path / "2023-11-14--23" / "part-a-1").write_text("3\n")
    (tmp_path / "2023-11-14--23" / ".part-a-2.inprogress.00").write_text("4\n")
    assert sorted(part_lines(tmp_path)) == ["1", "2", "3"]
    assert sorted(part_lines(tmp_path, with_open=True)) == ["1", "2", "3", "4"]


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    whole = "1\né\n"
    (tmp_path / ".part-0.inprogress.0").write_bytes((whole + "é").encode()[:-1])  # cut within the last character
    assert list(part_lines(tmp_path, with_open=True)) == ["1", "é"]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_bytes("a\u2028b\x85c\rd\n".encode())
    assert list(part_lines(tmp_path)) == ["a\u2028b\x85c\rd"]


def test_a_folder_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(part_lines(tmp_path / "nowhere", with_open=True)) == []


def test_a_row_of_one_column_is_the_text_between_its_brackets() -> None:
    assert row_text("+I[a[0], b]") == "a[0], b"
