"""The Gym's hyper-parameters in their text forms, and settings that cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from lambda_learner.retrain import TrainingSettings, parse_hyperparameters


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_trees", "150", 150),
        ("max_features", 300, 300),
        ("max_decision_records", None, None),
        ("max_decision_records", "8000000", 8_000_000),
        ("explore", "YES", True),
        ("explore", "t", True),
        ("explore", True, True),
        ("explore", "false", False),
        ("binary_rewards", 1, True),
        ("normalize_rewards", "No", False),
    ],
)
def test_a_hyper_parameter_is_read_from_its_text(name: str, text: Any, value: Any) -> None:
    assert parse_hyperparameters({name: text}) == {name: value}
    TrainingSettings(**parse_hyperparameters({name: text}))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0 seconds", 0), ("24 hours", 86_400), ("1.5 minutes", 90), ("1 day", 86_400), ("2hours", 7200)],
)
def test_a_checkpoints_age_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_hyperparameters({"max_checkpoint_age": text}) == {"max_checkpoint_age_s": seconds}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_trees", "many"),
        ("max_trees", "1.5"),
        ("max_trees", None),
        ("explore", "perhaps"),
        ("max_checkpoint_age", "3 weeks"),
        ("max_checkpoint_age", "3"),
        ("tree_height", "3"),
    ],
)
def test_a_wrong_hyper_parameter_is_an_error_that_names_it(name: str, text: Any) -> None:
    with pytest.raises(ValueError, match=name):
        parse_hyperparameters({name: text})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_trees", 0),
        ("max_features", 1),
        ("max_decision_records", 0),
        ("tree_depth", 17),
        ("noise", 1.0),
        ("threads", 0),
        ("max_memory_bytes", 1000),
        ("late_rewards", "maybe"),
        ("compatible", "Gym"),
    ],
)
def test_a_setting_that_cannot_be_is_an_error_that_shows_it(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*{value}"):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize(
    ("path", "excluded"),
    [("context.user_id", True), ("context.user_id.x", True), ("context.user_id2", False), ("context", False)],
)
def test_what_lies_under_an_excluded_path_is_excluded(path: str, excluded: bool) -> None:  # noqa: FBT001
    assert TrainingSettings(exclude_paths=("context.user_id",)).excludes(path) is excluded


def test_who_reads_only_settings_and_errors_waits_for_no_xgboost() -> None:
    program = (
        "import sys; from lambda_learner.retrain import NoDecisions, TrainingSettings; TrainingSettings()\n"
        "print({'xgboost', 'xxhash', 'pyarrow', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"
