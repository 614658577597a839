from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.report import ReportInput, write_report
from jobs.report.data import read_run
from jobs.report.quality import as_served
from jobs.summary import COUNTERS

if TYPE_CHECKING:
    from tests.jobs.report.conftest import WriteRun

START_MS = 1_700_000_000_000
Rows = Callable[..., list[dict[str, Any]]]
VOID = {"meta", "br", "img"}


class Tags(HTMLParser):
    """Checks that every tag is closed in order, and collects ids, references and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def published(number: int) -> list[dict[str, Any]]:
    return [
        {
            "model": "films", "shard": i % 4, "close_ms": START_MS + i * 1_000, "entities": 3, "bytes": 10,
            "closes": [[START_MS + i * 1_000, 3]], "waited_ms": 20 + i,
            "published_at_ms": START_MS + i * 1_000 + 1_500,
        }
        for i in range(number)
    ]  # fmt: skip


def summary_of(count: int, **more: Any) -> dict[str, Any]:
    counters = dict.fromkeys(COUNTERS, 0) | {"lines": count, "decisions": count, "joined": count}
    metrics = {"count": count, "auc": 0.7, "log_loss": 0.6, "auc_base": 0.5, "log_loss_base": 0.6931}
    models = {"films": {"progressive": metrics}}
    return counters | {"models": models, "seconds": 2.0, "events_per_second": count // 2} | more


COUNTS = {
    (START_MS // 60_000 * 60_000, "films", "decisions"): 900,
    (START_MS // 60_000 * 60_000 + 60_000, "films", "credited"): 400,
    (0, "films", "update_records.1"): 700,
    (0, "films", "update_records.5"): 20,
    (0, "films", "update_step.-3"): 500,
    (0, "films", "update_step.1"): 220,
}


@pytest.fixture
def full_run(write_run: WriteRun, score_rows: Rows) -> ReportInput:
    return write_run(
        scores=score_rows(2_000), published=published(30), counts=COUNTS, summary=summary_of(2_000), live=True
    )


def page_of(tmp_path: Path, *sources: ReportInput) -> str:
    return write_report(tmp_path / "out" / "report.html", sources).read_text()


def test_a_whole_run_has_all_its_pictures(tmp_path: Path, full_run: ReportInput) -> None:
    page = page_of(tmp_path, full_run)
    assert page.count("<svg ") == 7
    assert 'class="missing"' not in page
    assert "AUC, all decisions" in page


def test_served_quality_is_told_beside_that_of_learn_time(tmp_path: Path, full_run: ReportInput) -> None:
    page = page_of(tmp_path, full_run)
    scores = read_run(full_run).scores["films"]
    served = as_served(scores, logistic=True)
    assert f">{served['auc']:.4f}</td>" in page
    assert f">{served['log_loss']:.4f}</td>" in page
    assert f"{served['auc']:.3f} as served" in page
    assert page.count("scored by what a reader of the bucket had when it was made") == 2  # the picture and the table
    assert page.count(">as served<") == 2  # the column, and a line of the picture


def test_scores_of_an_older_run_have_no_served_quality(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    rows = [{name: value for name, value in row.items() if name != "served"} for row in score_rows(2_000)]
    page = page_of(tmp_path, write_run(scores=rows, summary=summary_of(2_000)))
    assert "a reader of the bucket had" not in page
    assert page.count(">as served<") == 1  # the column, with dashes
    assert "Progressive AUC over event time" in page


def test_the_page_is_well_formed_and_no_id_is_there_twice(tmp_path: Path, full_run: ReportInput) -> None:
    tags = tags_of(page_of(tmp_path, full_run, full_run))
    assert len(tags.ids) == len(set(tags.ids))


def test_the_page_needs_no_network_and_no_script(tmp_path: Path, full_run: ReportInput) -> None:
    page = page_of(tmp_path, full_run)
    addresses = set(re.findall(r"\w+://[^\"' )]*", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not fetched
    assert not {"script", "link", "img", "iframe"} & set(tags_of(page).tags)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, full_run: ReportInput) -> None:
    assert page_of(tmp_path, full_run) == page_of(tmp_path, full_run)


def test_drawings_take_their_colours_from_the_page(tmp_path: Path, full_run: ReportInput) -> None:
    drawings = re.findall(r"<svg .*?</svg>", page_of(tmp_path, full_run), re.DOTALL)
    assert set(re.findall(r"#[0-9a-f]{6}\b", "".join(drawings))) == set()


def test_an_empty_run_says_what_is_missing(tmp_path: Path, write_run: WriteRun) -> None:
    page = page_of(tmp_path, write_run())
    assert "<svg " not in page
    for sentence in (
        "No scores",
        "the stream was empty",
        "Nothing was published with",
        "No updates were counted",
    ):
        assert sentence in page


def test_a_run_without_any_file_or_counter_has_a_page(tmp_path: Path) -> None:
    page = page_of(tmp_path, ReportInput("Gone", {}, tmp_path / "none.jsonl", tmp_path / "nowhere"))
    assert "cannot be checked, a counter is missing" in page
    assert "no run to report" in page_of(tmp_path)


def test_one_class_alone_is_said(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    rows = [row | {"label": 1.0} for row in score_rows(1_500)]
    page = page_of(tmp_path, write_run(scores=rows))
    assert "All 1,500 decisions are positive: an AUC needs both classes." in page


def test_few_scores_are_said(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    page = page_of(tmp_path, write_run(scores=score_rows(30)))
    assert "Too few decisions for a curve: 30 were scored" in page
    assert "Too few decisions to compare rates" in page


def test_a_linear_model_is_shown_by_its_error_and_not_by_rates(
    tmp_path: Path, write_run: WriteRun, score_rows: Rows
) -> None:
    rows = [row | {"label": row["score"] + 0.5} for row in score_rows(1_500)]
    metrics = {"films": {"progressive": {"count": 1_500, "rmse": 0.5, "rmse_base": 1.2}}}
    page = page_of(tmp_path, write_run(scores=rows, summary=summary_of(1_500, models=metrics)))
    assert "Progressive RMSE over event time" in page
    assert "RMSE, all decisions" in page
    assert "Calibration" not in page


def test_each_of_several_models_has_its_pictures(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    rows = score_rows(1_200) + score_rows(1_100, model="songs")
    page = page_of(tmp_path, write_run(scores=rows))
    assert "Progressive AUC over event time: films" in page
    assert "Calibration: songs" in page


def test_names_are_escaped(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    evil = "<script>alert('$x_1$')</script>"
    rows = score_rows(1_200, model=evil) + score_rows(1_100)
    models = {evil: {"progressive": {"count": 1, "auc": 0.5}}}
    source = write_run(
        scores=rows,
        summary=summary_of(9, models=models),
        title=evil,
        note=evil,
        settings={evil: {"a": [evil]}},
    )
    page = page_of(tmp_path, source)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5
    tags_of(page)


def test_lines_that_are_not_whole_are_left_out_and_counted(
    tmp_path: Path, write_run: WriteRun, score_rows: Rows
) -> None:
    source = write_run(scores=score_rows(1_200))
    assert source.scores is not None
    with source.scores.open("a") as file:
        file.write('{"model": "films", "enti\n[]\n{"model": "films"}\n')
    assert "3 lines of the run's files could not be read" in page_of(tmp_path, source).replace("&#39;", "'")


def test_scores_that_are_not_finite_are_left_out(tmp_path: Path, write_run: WriteRun, score_rows: Rows) -> None:
    rows = [*score_rows(1_200), score_rows(1)[0] | {"score": float("nan")}]
    page = page_of(tmp_path, write_run(scores=rows))
    assert "all 1,200: " in page


def test_a_broken_identity_is_marked(tmp_path: Path, write_run: WriteRun) -> None:
    page = page_of(tmp_path, write_run(summary=summary_of(1_000, lines=1_003)))
    assert "✗" in page
    assert "off by 3" in page


def test_a_stopped_runs_open_part_files_are_read(tmp_path: Path, write_run: WriteRun) -> None:
    source = write_run(counts=COUNTS, summary=summary_of(900, in_open_windows=0))
    committed = next((source.outputs / "counts").rglob("part-*"))
    committed.rename(committed.with_name(f".{committed.name}.inprogress.1"))
    assert "No updates were counted" not in page_of(tmp_path, source)


def test_a_run_whose_time_is_not_known_has_no_speed(tmp_path: Path, write_run: WriteRun) -> None:
    source = write_run(summary=summary_of(900, in_open_windows=0, seconds=0.0, events_per_second=None), live=False)
    page = page_of(tmp_path, source)
    assert '<dt>Events a second</dt><dd class="value">–</dd><dd>the run was not timed</dd>' in page


def test_a_run_that_tells_of_no_publication_does_not_say_that_there_is_none(
    tmp_path: Path, write_run: WriteRun
) -> None:
    """What was published between a checkpoint and a failure is not told of again."""
    page = page_of(tmp_path, write_run())
    assert "or all was published before a restart" in page
    assert "nothing was published" not in page
