from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from config.settings import Settings
from jobs.beginning import policies_of
from jobs.job_state import Beginning, JobState, Rewound
from jobs.rewinding import begins_anew, for_these_windows, rewind_of, usable
from operators.files import FileChunk
from operators.rewind import FIRST_WINDOWS, WINDOWS, Rewind

OTHER = WINDOWS + 1
LIVE = Beginning([], {"m": "g"}, windows=OTHER)
SETTINGS = Settings.model_validate(
    {
        "stream": {"max_clock_skew": "15 s"},
        "models": {
            "m": {"reward": {"window": "10 minutes"}, "learner": {"update_interval": "10 s"}},
            "n": {"reward": {"window": "5 s"}, "learner": {"update_interval": "30 s"}},
        },
        "unknown_models": "reject",
    }
)


def outputs(folder: Path) -> Path:
    """The part files of a run that has published up to 30,000 ms, as the newest checkpoint knows."""
    published = folder / "published" / "2026"
    published.mkdir(parents=True)
    lines = [json.dumps({"model": "m", "close_ms": ms}) for ms in (10_000, 30_000, 20_000)]
    (published / "part-1-0").write_text("".join(f"{line}\n" for line in lines))
    (published / ".part-1-1.inprogress.1").write_text(json.dumps({"model": "m", "close_ms": 90_000}) + "\n")
    return folder


def test_a_run_over_an_input_that_ends_begins_anew() -> None:
    assert begins_anew(replace(LIVE, chunks=[FileChunk("f", 0, 1, 1)]))
    assert not begins_anew(LIVE)
    assert not begins_anew(Beginning([FileChunk("f", 0, 1, 1)], {}))


def test_a_source_without_end_is_rewound_to_what_was_published(tmp_path: Path) -> None:
    found = for_these_windows(LIVE, "file:///chk-9", outputs(tmp_path), is_newest=True)
    assert found == Beginning([], {"m": "g"}, windows=WINDOWS, rewound=Rewound("file:///chk-9", 30_000))


def test_of_a_run_that_has_published_nothing_all_is_read_again(tmp_path: Path) -> None:
    assert for_these_windows(LIVE, "file:///chk-9", tmp_path, is_newest=True).rewound == Rewound("file:///chk-9", 0)


def test_what_was_published_after_an_older_checkpoint_is_read_again(tmp_path: Path) -> None:
    older = tmp_path / "chk-8"
    older.mkdir()
    (older / "_metadata").touch()
    folder = outputs(tmp_path / "outputs")
    later = folder / "published" / "2026" / "part-1-2"
    later.write_text(json.dumps({"model": "m", "close_ms": 60_000}) + "\n")
    for path, second in ((folder / "published" / "2026" / "part-1-0", 1), (older / "_metadata", 2), (later, 3)):
        os.utime(path, (second, second))
    for name in (f"file://{older}", str(older)):
        found = for_these_windows(LIVE, name, folder, is_newest=False)
        assert found.rewound == Rewound(name, 30_000)
    elsewhere = for_these_windows(LIVE, "s3://bucket/savepoint", folder, is_newest=False)
    assert elsewhere.rewound == Rewound("s3://bucket/savepoint", 0)


def test_a_run_with_these_windows_goes_on_as_it_was(tmp_path: Path) -> None:
    held = Beginning([], {}, rewound=Rewound("file:///chk-9", 5))
    assert for_these_windows(held, "file:///chk-12", outputs(tmp_path), is_newest=True) is held


def test_what_was_decided_is_kept_for_the_next_start(tmp_path: Path) -> None:
    state = JobState(tmp_path)
    rewound = Beginning([], {"m": "g"}, rewound=Rewound("file:///chk-9", 30_000))
    state.begin(rewound)
    assert state.beginning() == rewound


def test_a_run_that_was_begun_before_there_were_versions_has_the_first(tmp_path: Path) -> None:
    state = JobState(tmp_path)
    state.begin(LIVE)
    document = json.loads((tmp_path / "job.json").read_text())
    del document["windows"], document["rewound"]
    (tmp_path / "job.json").write_text(json.dumps(document))
    assert state.beginning() == replace(LIVE, windows=FIRST_WINDOWS)


def test_checkpoints_from_before_the_one_that_was_rewound_from_are_not_used() -> None:
    found = ["chk-2", "chk-1", "chk-9", "chk-8"]  # of another start, then those of before
    assert usable(found, Rewound("chk-9", 0)) == ["chk-2", "chk-1", "chk-9"]
    assert usable(found, None) == found
    assert usable(found, Rewound("gone", 0)) == found


def test_the_source_goes_back_by_the_longest_that_a_line_waits() -> None:
    policies = policies_of(SETTINGS, {"m": "g", "n": "h"}, {})
    rewind = rewind_of(SETTINGS, policies, Rewound("chk-9", 1_000_000))
    assert rewind == Rewind(WINDOWS, 1_000_000, reach_ms=600_000 + 10_000 + 15_000 + 1_000)
    assert rewind.arrived_ms == 1_000_000 - 626_000
    assert rewind_of(SETTINGS, policies, None).arrived_ms == 0
