from __future__ import annotations

from pathlib import Path
from typing import Any

from config.settings import Settings
from jobs.beginning import begin, resumed
from jobs.job_state import JobState
from jobs.trigger import triggers_of
from lambda_learner.publish import FolderStore
from lambda_learner.retrain.schedule import Every
from lambda_learner.retrain.trigger import TriggerSettings
from operators.files import FileChunk

CHUNKS = [FileChunk("f", 0, 1, 1)]


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


def test_a_model_has_its_own_triggers_over_the_general_and_others_the_general() -> None:
    given = settings(training={"schedule": "rate(4 hours)"}, models={"m": {"training": {"new_decisions": 10}}})
    triggers = triggers_of(given, "o")
    assert triggers.of("m") == TriggerSettings(Every(4 * 3_600_000), 10)
    assert triggers.of("unknown") == TriggerSettings(Every(4 * 3_600_000))
    assert (triggers.bucket, triggers.origin, triggers.is_any) == (given.bucket.train, "o", True)


def test_without_settings_there_are_no_triggers() -> None:
    triggers = triggers_of(settings(models={"m": {}}), "o")
    assert (triggers.of("m"), triggers.of("unknown"), triggers.is_any) == (None, None, False)


def test_one_model_alone_may_have_triggers() -> None:
    triggers = triggers_of(settings(models={"m": {"training": {"drift": True}}, "n": {}}), "o")
    assert (triggers.of("n"), triggers.of("unknown"), triggers.is_any) == (None, None, True)


# The origin of the counts.


def test_each_fresh_start_has_an_origin_of_its_own_and_a_restart_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    state, store = JobState(tmp_path / "state"), FolderStore(tmp_path / "bucket")
    begun = begin(settings(), store, chunks=CHUNKS, fresh=False)
    state.begin(begun)
    held = state.beginning()
    assert held is not None
    assert resumed(settings(), store, held).origin == begun.origin != ""
    assert begin(settings(), store, chunks=CHUNKS, fresh=True).origin != begun.origin


def test_a_run_that_an_older_release_began_gets_an_origin_when_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    state, store = JobState(tmp_path / "state"), FolderStore(tmp_path / "bucket")
    state.begin(begin(settings(), store, chunks=CHUNKS, fresh=False))
    document = state._read()
    del document["origin"]
    state._write(document)
    held = state.beginning()
    assert held is not None
    assert held.origin == ""
    assert resumed(settings(), store, held).origin != ""
