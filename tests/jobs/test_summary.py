from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.summary import COUNTERS, auc_of_last, lines_counted, not_given_back, summarise, write_scores
from lambda_learner.evaluation.progressive import increments
from lambda_learner.learn.state import Score
from tests.harness.compare import assert_identities

Counts = Mapping[tuple[int, str, str], int]


def part(folder: Path, lines: Iterable[str], name: str = "part-0") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def write_counts(outputs: Path, counts: Counts, name: str = "part-0") -> None:
    part(outputs / "counts", ("+I[" + "\x1f".join(map(str, (n, *key))) + "]" for key, n in counts.items()), name)


def summary(outputs: Path, *, ended: bool = True, seconds: float = 2.0, scores: Path | None = None) -> dict[str, Any]:
    return summarise(outputs, seconds=seconds, scores=scores, ended=ended)


COUNTS = {
    (0, "", "lines"): 12,
    (0, "", "dead_lettered"): 1,
    (60_000, "", "heartbeats"): 1,
    (0, "m", "decisions"): 3,
    (60_000, "m", "decisions"): 2,
    (0, "m", "rewards"): 3,
    (0, "m", "records"): 2,
    (0, "m", "joined"): 3,
    (0, "m", "duplicate_decisions"): 1,
    (0, "m", "credited"): 1,
    (0, "m", "after_deadline"): 1,
    (0, "m", "learned_records"): 2,
    (0, "m", "updates"): 2,
}


def test_a_run_without_scores_leaves_those_of_the_run_before(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text("before")
    write_scores(tmp_path / "outputs", path, ended=True)
    assert path.read_text() == "before"


def test_every_counter_is_there_by_its_name_also_one_that_is_zero(tmp_path: Path) -> None:
    found = summary(tmp_path)
    assert {name: found[name] for name in COUNTERS} == dict.fromkeys(COUNTERS, 0)
    assert (found["models"], found["events_per_second"]) == ({}, 0)


def test_counters_are_summed_over_minutes_and_models(tmp_path: Path) -> None:
    write_counts(tmp_path, COUNTS | {(0, "n", "decisions"): 5, (0, "n", "joined"): 5})
    assert summary(tmp_path)["decisions"] == 10


def test_what_no_window_has_given_back_is_late_once_the_run_has_ended(tmp_path: Path) -> None:
    write_counts(tmp_path, COUNTS)
    found = summary(tmp_path)
    assert [found[f"late_{kind}"] for kind in ("decisions", "rewards", "records")] == [1, 1, 0]
    assert_identities(found)
    assert "in_open_windows" not in found


def test_before_the_end_late_is_what_the_late_rows_say_and_the_rest_is_in_open_windows(tmp_path: Path) -> None:
    write_counts(tmp_path, COUNTS)
    part(tmp_path / "late", ['{"kind":"R","id":"x"}'], ".part-0.inprogress.1")
    found = summary(tmp_path, ended=False)
    assert [found[f"late_{kind}"] for kind in ("decisions", "rewards", "records")] == [0, 1, 0]
    assert found["in_open_windows"] == 1


def test_before_the_end_sums_that_are_not_committed_yet_count_too(tmp_path: Path) -> None:
    write_counts(tmp_path, {(0, "", "lines"): 5})
    write_counts(tmp_path, {(0, "", "lines"): 9}, ".part-1.inprogress.1")
    assert summary(tmp_path, ended=False)["lines"] == 9
    assert summary(tmp_path, ended=True)["lines"] == 5


AMOUNT = st.integers(0, 9)


@given(
    names=st.fixed_dictionaries(
        {name: AMOUNT for name in COUNTERS if not name.startswith("late_")} | {"late": st.tuples(*[AMOUNT] * 4)}
    )
)
def test_the_late_classes_close_every_identity(names: dict[str, Any]) -> None:
    late = names.pop("late")
    total = Counter(names)
    total["decisions"] = total["joined"] + total["duplicate_decisions"] + late[0]
    credited = total["credited"] + total["duplicate_rewards"] + total["after_deadline"] + total["orphan_rewards"]
    total["rewards"] = credited + late[1]
    total["records"] = total["learned_records"] + total["duplicate_records"] + late[2]
    total["forgets"] = total["applied_forgets"] + total["duplicate_forgets"] + late[3]
    kinds = ("dead_lettered", "heartbeats", "decisions", "rewards", "records", "forgets")
    total["lines"] = sum(total[kind] for kind in kinds)
    missing = not_given_back(total)
    assert tuple(missing[f"late_{kind}"] for kind in ("decisions", "rewards", "records", "forgets")) == late
    assert_identities(total | missing)


def test_each_model_has_its_own_progressive_metrics(tmp_path: Path) -> None:
    counts: Counter[tuple[int, str, str]] = Counter()
    for model, margin in (("a", 2.0), ("b", -2.0)):
        for label in (1.0, -1.0):
            for name, n in increments(Score("d", label, 0.0, margin * label), "logistic"):
                counts[0, model, name] += n
    write_counts(tmp_path, counts)
    models = summary(tmp_path)["models"]
    assert list(models) == ["a", "b"]
    assert (models["a"]["progressive"]["auc"], models["b"]["progressive"]["auc"]) == (1.0, 0.0)


@pytest.mark.parametrize(("seconds", "rate"), [(2.0, 6), (0.5, 24), (0.0, None)])
def test_speed_is_lines_a_second(tmp_path: Path, seconds: float, rate: int | None) -> None:
    write_counts(tmp_path, COUNTS)
    assert summary(tmp_path, seconds=seconds)["events_per_second"] == rate


def test_the_speed_of_a_resumed_run_is_of_the_lines_that_no_run_before_had_counted(tmp_path: Path) -> None:
    write_counts(tmp_path, {(0, "", "lines"): 5})
    write_counts(tmp_path, {(0, "", "lines"): 8, (60_000, "", "lines"): 2}, ".part-1.inprogress.1")
    before = lines_counted(tmp_path)
    assert before == 10
    write_counts(tmp_path, {(0, "", "lines"): 8, (60_000, "", "lines"): 20})
    found = summarise(tmp_path, seconds=2.0, scores=None, ended=True, lines_before=before)
    assert (found["lines"], found["events_per_second"]) == (28, 9)


def test_a_resumed_run_that_is_stopped_before_it_counts_anything_new_has_no_negative_speed(tmp_path: Path) -> None:
    write_counts(tmp_path, COUNTS)
    found = summarise(tmp_path, seconds=2.0, scores=None, ended=False, lines_before=20)
    assert found["events_per_second"] == 0


def test_it_is_one_json_line(tmp_path: Path) -> None:
    write_counts(tmp_path, COUNTS)
    assert "\n" not in json.dumps(summary(tmp_path), allow_nan=False)


# Scores.


def score(number: int, *, model: str = "m", label: float = 1.0, margin: float = 0.5) -> str:
    return json.dumps([model, '["é"]', f"d{number:03d}", label, 0.0, margin, 0.25])


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scores_are_one_file_in_order_of_decision_id_then_model(tmp_path: Path) -> None:
    lines = [score(number, model=model) for number in range(20) for model in ("a", "b")]
    shuffled = Random(1).sample(lines, len(lines))
    part(tmp_path / "scores" / "1", shuffled[::2])
    part(tmp_path / "scores" / "2", shuffled[1::2])
    write_scores(tmp_path, tmp_path / "new" / "scores.jsonl", ended=True)
    found = rows(tmp_path / "new" / "scores.jsonl")
    assert [(row["decision_id"], row["model"]) for row in found] == [
        (f"d{number:03d}", model) for number in range(20) for model in ("a", "b")
    ]
    expected = {"model": "a", "entity": '["é"]', "decision_id": "d000", "label": 1.0, "base": 0.0, "score": 0.5}
    assert found[0] == expected | {"served": 0.25}


def test_a_score_of_before_there_were_served_ones_has_none(tmp_path: Path) -> None:
    part(tmp_path / "scores", [json.dumps(json.loads(score(1))[:6])])
    write_scores(tmp_path, tmp_path / "s", ended=True)
    assert rows(tmp_path / "s")[0]["served"] is None


def test_scores_of_one_decision_id_are_in_one_order_whatever_the_run(tmp_path: Path) -> None:
    lines = [score(1, margin=number / 8) for number in range(9)]
    for name, ordered in (("1", lines), ("2", lines[::-1])):
        part(tmp_path / name / "scores", ordered)
        write_scores(tmp_path / name, tmp_path / f"{name}.jsonl", ended=True)
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_a_score_that_a_restart_wrote_again_is_there_once(tmp_path: Path) -> None:
    part(tmp_path / "scores", [score(1), score(2)])
    part(tmp_path / "scores", [score(2), score(3)], ".part-1.inprogress.1")
    write_scores(tmp_path, tmp_path / "s", ended=False)
    assert [row["decision_id"] for row in rows(tmp_path / "s")] == ["d001", "d002", "d003"]


def test_scores_of_a_run_that_has_ended_are_the_committed_ones(tmp_path: Path) -> None:
    part(tmp_path / "scores", [score(1)])
    part(tmp_path / "scores", [score(2)], ".part-1.inprogress.1")
    write_scores(tmp_path, tmp_path / "s", ended=True)
    assert [row["decision_id"] for row in rows(tmp_path / "s")] == ["d001"]


def scores_file(tmp_path: Path, *labels_and_margins: tuple[float, float]) -> Path:
    part(tmp_path / "scores", [score(n, label=label, margin=m) for n, (label, m) in enumerate(labels_and_margins)])
    write_scores(tmp_path, tmp_path / "s", ended=True)
    return tmp_path / "s"


def test_the_auc_of_the_last_is_of_the_last_by_decision_id(tmp_path: Path) -> None:
    path = scores_file(tmp_path, (1, -9), (-1, 9), (1, 2), (-1, 1))
    assert auc_of_last(path, 2) == 1.0
    assert auc_of_last(path, 4) == 0.25


def test_without_both_classes_there_is_no_auc(tmp_path: Path) -> None:
    assert auc_of_last(scores_file(tmp_path, (1, 0), (1, 1)), 9) is None
    assert auc_of_last(scores_file(tmp_path), 9) is None


def test_the_auc_is_in_the_summary_where_there_are_scores(tmp_path: Path) -> None:
    path = scores_file(tmp_path, (1, 2), (-1, 1))
    assert summary(tmp_path, scores=path)["auc_last_50000"] == 1.0
    assert "auc_last_50000" not in summary(tmp_path)
