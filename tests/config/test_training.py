"""The section `training`: the Gym's keys and ours, for all models and over it for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import ConfigError, load
from config.policies import (
    gate_settings,
    held_out_share,
    training_for,
    training_settings,
    trigger_settings,
)
from config.settings import Settings
from lambda_learner.join import RewardPolicy
from lambda_learner.retrain import TrainingSettings
from lambda_learner.retrain.drift import DriftSettings
from lambda_learner.retrain.gate import GateSettings
from lambda_learner.retrain.schedule import Cron, Every
from lambda_learner.retrain.trigger import TriggerSettings

HOUR_MS = 3_600_000


def settings(training: Any = None, own: Any = None) -> Settings:
    """The settings with these sections, of all models and of `songs`."""
    return Settings.model_validate({"training": training, "models": {"songs": {"training": own}}})


def test_what_is_not_said_is_as_the_rules_have_it() -> None:
    assert training_settings(Settings(), "any") == TrainingSettings()
    assert gate_settings(Settings(), "any") == GateSettings()
    assert trigger_settings(Settings(), "any") == TriggerSettings()
    assert held_out_share(Settings(), "any") == 0.1


def test_every_setting_reaches_the_training() -> None:
    made = settings(
        {
            "late_rewards": "exclude",
            "compatible": "gym",
            "max_memory": "512 MB",
            "hyperparameters": {"max_trees": "60", "explore": "No", "max_checkpoint_age": "2 hours", "tree_depth": 3},
        }
    )
    assert training_settings(made, "songs") == TrainingSettings(
        max_trees=60,
        explore=False,
        max_checkpoint_age_s=7200.0,
        tree_depth=3,
        late_rewards="exclude",
        compatible="gym",
        max_memory_bytes=512 * 2**20,
    )


def test_rewards_count_by_the_models_own_function() -> None:
    made = Settings.model_validate({"models": {"songs": {"reward": {"function": "max", "default": -1.0}}}})
    assert training_settings(made, "songs").reward == RewardPolicy(function="max", default=-1.0)
    assert training_settings(made, "others").reward == RewardPolicy()


def test_a_models_own_section_goes_over_the_general_one_key_by_key() -> None:
    made = settings(
        {"gate": {"margin": 0.1, "on_undecided": "keep"}, "hyperparameters": {"max_trees": 9, "tree_depth": 2}},
        {"gate": {"margin": 0.5}, "hyperparameters": {"max_trees": 7}, "schedule": "rate(1 hour)"},
    )
    assert gate_settings(made, "songs") == GateSettings(margin=0.5, on_undecided="keep")
    assert gate_settings(made, "others") == GateSettings(margin=0.1, on_undecided="keep")
    own, general = (training_settings(made, name) for name in ("songs", "others"))
    assert (own.max_trees, own.tree_depth, general.max_trees) == (7, 2, 9)
    assert training_for(made, "songs").schedule == Every(HOUR_MS)
    assert training_for(made, "others").schedule is None


def test_the_held_out_share_is_a_setting_of_the_gate() -> None:
    assert held_out_share(settings({"gate": {"held_out_share": 0.2}}), "songs") == 0.2


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("rate(4 hours)", Every(4 * HOUR_MS)),
        ("rate(90 seconds)", Every(90_000)),
        ("cron(0 */4 * * ? *)", Cron("cron(0 */4 * * ? *)")),
        ("30 3 * * 1", Cron("30 3 * * 1")),
    ],
)
def test_a_schedule_is_a_rate_or_cron(text: str, schedule: Every | Cron) -> None:
    assert trigger_settings(settings({"schedule": text}), "songs").schedule == schedule


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (True, DriftSettings()),
        (False, None),
        (None, None),
        ({"threshold": 50}, DriftSettings(threshold=50.0)),
        ({"threshold": 50, "enabled": False}, None),
        ({"allowance": 0.1, "warm_up_records": 5}, DriftSettings(allowance=0.1, warm_up_records=5)),
    ],
)
def test_drift_is_off_unless_something_is_said_of_it(drift: Any, expected: DriftSettings | None) -> None:
    assert trigger_settings(settings({"drift": drift, "new_decisions": 10}), "songs") == TriggerSettings(
        new_decisions=10, drift=expected
    )


def test_one_model_can_be_without_drift() -> None:
    made = settings({"drift": {"threshold": 50}}, {"drift": False})
    assert trigger_settings(made, "songs").drift is None
    assert trigger_settings(made, "others").drift == DriftSettings(threshold=50.0)


def test_a_bare_no_is_the_word(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("training: {compatible: gym}\nmodels: {a: {training: {compatible: no}}}\n")
    made = load(tmp_path / "c.yaml")
    assert [training_settings(made, name).compatible for name in ("a", "b")] == ["no", "gym"]


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"schedule": "hourly"}, "schedule: got 'hourly': it has 1 fields; accepted: rate(TIME), at least a minute"),
        ({"schedule": "rate(30 s)"}, "schedule: got 'rate(30 s)': less than a minute; accepted: rate(TIME)"),
        ({"schedule": "cron(61 * * * ? *)"}, "schedule: got 'cron(61 * * * ? *)': "),
        ({"schedule": 4}, "schedule: got 4: no text; accepted: rate(TIME)"),
        ({"new_decisions": 0}, "new_decisions: got 0; accepted: an integer ≥ 1"),
        ({"drift": "yes"}, "drift: got 'yes'; accepted: true, false or {allowance: NUMBER, threshold: NUMBER}"),
        ({"drift": {"threshold": 0}}, "drift.threshold: got 0; accepted: a number > 0"),
        ({"gate": {"margin": -1}}, "gate.margin: got -1; accepted: a number ≥ 0"),
        ({"gate": {"on_undecided": "refuse"}}, "gate.on_undecided: got 'refuse'; accepted: publish or keep"),
        ({"gate": {"held_out_share": 0.6}}, "gate.held_out_share: got 0.6; accepted: a number > 0 and ≤ 0.5"),
        ({"gate": {"margins": 1}}, "gate.margins: unknown key; did you mean margin?"),
        ({"late_rewards": "drop"}, "late_rewards: got 'drop'; accepted: include or exclude"),
        ({"compatible": True}, "compatible: got True; accepted: no or gym"),
        ({"coreml": "yes"}, "coreml: got 'yes'; accepted: true or false"),
        ({"max_memory": 2048}, 'max_memory: got 2048: not of the form 2 GB; accepted: memory such as "2 GB"'),
        ({"max_memory": "0 GB"}, "max_memory: got '0 GB'; accepted: memory such as \"2 GB\""),
        ({"hyperparameters": {"max_trees": 0}}, "max_trees must be in 1…100000, got 0"),
        ({"hyperparameters": {"max_trees": "many"}}, "max_trees must be a whole number, got 'many'"),
        ({"hyperparameters": {"explore": "maybe"}}, "explore must be yes, true, t or 1"),
    ],
)
@pytest.mark.parametrize("of_model", [False, True])
def test_a_wrong_value_is_an_error_that_names_key_value_and_what_is_accepted(
    training: Any, expected: str, of_model: bool, tmp_path: Path
) -> None:
    section = {"models": {"songs": {"training": training}}} if of_model else {"training": training}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(section))
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "c.yaml")
    (problem,) = raised.value.problems
    assert expected in str(problem)
    assert ("models.songs.training." in str(problem)) == of_model


def test_the_example_shows_the_defaults_of_what_has_one() -> None:
    example = load(Path(__file__).parents[2] / "config" / "example.yaml")
    shown = training_settings(example, "songs")
    assert shown == TrainingSettings(max_decision_records=8_000_000, max_features=300, max_checkpoint_age_s=86_400.0)
    assert gate_settings(example, "songs") == GateSettings()
    assert held_out_share(example, "songs") == held_out_share(Settings(), "songs")
