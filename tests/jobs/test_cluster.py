from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.cluster import main, with_whole_paths
from jobs.cluster_options import RESTORE_FROM, options_of, warnings_of_cluster
from jobs.job_state import Beginning, JobState, StateError
from jobs.operator_ids import OF_FIRST_WINDOWS, identify, uid_of
from jobs.run import RunOptions, Start
from jobs.submitted import Submitted, refuse_if_running
from lambda_learner.policy import Policies
from operators.rewind import FIRST_WINDOWS

ON_A_CLUSTER = {"rest.address": "flink", "rest.port": "8081", "parallelism.default": "3"}


@contextmanager
def flink(jobs: dict[str, str], config: dict[str, str] | None = None) -> Iterator[str]:
    """A REST interface that knows these jobs and their states, and the configuration of its cluster."""
    settings = [{"key": key, "value": value} for key, value in (config or {}).items()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = jobs.get(self.path.removeprefix("/jobs/"))
            answer = settings if self.path == "/jobmanager/config" else state and {"state": state}
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("state", ["CREATED", "RUNNING", "RESTARTING", "FAILING", "SUSPENDED"])
def test_a_state_folder_whose_job_runs_is_refused(tmp_path: Path, state: str) -> None:
    with flink({"1f": state}) as address:
        Submitted("1f", address).write(tmp_path)
        with pytest.raises(StateError, match=f"job 1f on {address} is {state}"):
            refuse_if_running(tmp_path)


@pytest.mark.parametrize("state", ["FINISHED", "CANCELED", "FAILED", None])
def test_one_whose_job_has_ended_is_not(tmp_path: Path, state: str | None) -> None:
    with flink({} if state is None else {"1f": state}) as address:
        Submitted("1f", address).write(tmp_path)
        assert refuse_if_running(tmp_path) == state


def test_one_that_was_never_submitted_is_not(tmp_path: Path) -> None:
    assert refuse_if_running(tmp_path) is None


def test_a_cluster_that_does_not_answer_may_still_run_the_job(tmp_path: Path) -> None:
    with flink({}) as address:
        pass
    Submitted("1f", address).write(tmp_path)
    with pytest.raises(StateError, match=r"cannot ask .* remove .*submitted\.json"):
        refuse_if_running(tmp_path)


def test_a_job_manager_that_comes_back_in_application_mode_goes_on_with_its_own_job(tmp_path: Path) -> None:
    with flink({"1f": "RUNNING"}) as address:
        Submitted("1f", address).write(tmp_path)
        assert refuse_if_running(tmp_path, here=address) is None
        with pytest.raises(StateError, match="RUNNING"):
            refuse_if_running(tmp_path, here="http://elsewhere:8081")


def test_a_damaged_record_of_the_submission_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "submitted.json").write_text("{")
    with pytest.raises(StateError, match=r"submitted\.json is damaged .* remove it once its job has surely ended"):
        refuse_if_running(tmp_path)


def test_paths_are_whole_wherever_a_task_manager_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = with_whole_paths(
        Settings.model_validate({"bucket": {"models": "file:bucket/models", "train": "s3://train/all"}})
    )
    assert settings.stream.state == str(tmp_path / "state")
    assert settings.stream.source.path == str(tmp_path / "data/events")  # type: ignore[union-attr]
    assert settings.bucket.models == f"file:{tmp_path}/bucket/models"
    assert settings.bucket.train == "s3://train/all"


def start_of(folder: Path, stream: dict[str, Any], restore_from: str | None = None) -> Start:
    settings = Settings.model_validate({"stream": stream})
    options = RunOptions(batch=False, restore_from=restore_from)
    return Start(settings, options, JobState(folder), Beginning([], {}), Policies({}, None), 1, batch=False)


def test_where_processes_listen_is_the_clusters_alone(tmp_path: Path) -> None:
    options = options_of(start_of(tmp_path, {}), ON_A_CLUSTER)
    assert [key for key in options if key.startswith(("rest.", "jobmanager.", "taskmanager."))] == []


@pytest.mark.parametrize(("kept", "told"), [(None, "keeps 1 of"), ("2", "keeps 2 of"), ("3", ""), ("10", "")])
def test_a_cluster_that_keeps_fewer_checkpoints_than_the_job_asks_for_is_warned_of(kept: str | None, told: str) -> None:
    with flink({}, {} if kept is None else {"execution.checkpointing.num-retained": kept}) as address:
        warnings = list(warnings_of_cluster(address))
    assert len(warnings) == bool(told)
    assert all(told in each and "execution.checkpointing.num-retained: 3" in each for each in warnings)


def test_of_a_cluster_that_does_not_answer_nothing_is_told() -> None:
    with flink({}) as address:
        pass
    assert list(warnings_of_cluster(address)) == []


@pytest.mark.parametrize(("stream", "parallelism"), [({"parallelism": 2}, "2"), ({}, "3")])
def test_the_parallelism_is_that_of_the_file_or_else_of_the_command(
    tmp_path: Path, stream: dict[str, Any], parallelism: str
) -> None:
    options = options_of(start_of(tmp_path, stream), ON_A_CLUSTER)
    assert options["parallelism.default"] == parallelism


def test_a_savepoint_fits_any_parallelism(tmp_path: Path) -> None:
    one, many = (options_of(start_of(tmp_path, {"parallelism": n}), {}) for n in (1, 100))
    assert one["pipeline.max-parallelism"] == many["pipeline.max-parallelism"] == "128"


def test_checkpoints_go_to_the_state_folder_unless_the_cluster_names_another(tmp_path: Path) -> None:
    start = start_of(tmp_path, {})
    assert options_of(start, {})["execution.checkpointing.dir"] == f"file://{tmp_path}/checkpoints"
    given = {"execution.checkpointing.dir": "s3://flink/checkpoints", "python.executable": "python3"}
    options = options_of(start, given)
    assert given.keys() & options.keys() == set()


def test_the_job_goes_on_from_what_was_chosen(tmp_path: Path) -> None:
    assert options_of(start_of(tmp_path, {}, "file:///s/1"), {})[RESTORE_FROM] == "file:///s/1"
    assert RESTORE_FROM not in options_of(start_of(tmp_path, {}), {})


@pytest.mark.parametrize(("names", "message"), [(["a.jsonl", "b.jsonl"], "lambda-learner replay"), ([], "no events")])
def test_what_a_cluster_cannot_run_is_told_in_a_message(
    tmp_path: Path, names: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").mkdir()
    for name in names:
        (tmp_path / "events" / name).write_text("{}\n")
    config = tmp_path / "config.yaml"
    source = {"kind": "files", "path": str(tmp_path / "events")}
    config.write_text(json.dumps({"stream": {"source": source, "state": str(tmp_path / "state")}}))
    with pytest.raises(SystemExit, match="2"):
        main(["--config", str(config)])
    assert message in capsys.readouterr().err


def test_an_operator_of_sql_is_named_by_its_kind_and_number_not_by_its_place_in_the_plan() -> None:
    seen: Counter[str] = Counter()
    names = ["Calc[12]", "GroupAggregate[7]", "Calc[31]", "Source: ticks[1]"]
    assert [uid_of(name, seen) for name in names] == [
        "sql-Calc-1",
        "sql-GroupAggregate-1",
        "sql-Calc-2",
        "sql-Source-ticks-1",
    ]


@dataclass
class Node:
    """What py4j shows of a transformation."""

    id: int
    name: str
    uid: str | None = None
    kind: str = "OneInputTransformation"
    inputs: list[Node] = field(default_factory=list)

    def getId(self) -> int:
        return self.id

    def getName(self) -> str:
        return self.name

    def getUid(self) -> str | None:
        return self.uid

    def setUid(self, uid: str) -> None:
        self.uid = uid

    def getClass(self) -> Node:
        return self

    def getSimpleName(self) -> str:
        return self.kind

    def getTransitivePredecessors(self) -> list[Node]:
        return [self, *(each for node in self.inputs for each in node.getTransitivePredecessors())]


class Environment:
    """An environment with these ends of its graph."""

    def __init__(self, *ends: Node) -> None:
        self._j_stream_execution_environment = self
        self._ends = ends

    def getTransformations(self) -> list[Node]:
        return list(self._ends)


def graph(*, spread: bool) -> list[Node]:
    """A source, with a partition behind it or without, an operator with an id, and two of SQL."""
    source = Node(1, "Source: ticks[1]")
    partition = Node(2, "Partition", kind="PartitionTransformation", inputs=[source])
    parse = Node(3, "parse", uid="parse", inputs=[partition if spread else source])
    calc = Node(4, "Calc[9]", inputs=[parse])
    return [source, parse, calc, Node(5, "Calc[8]", inputs=[calc])]


@pytest.mark.parametrize("spread", [True, False])
def test_each_operator_has_its_id_at_any_parallelism(*, spread: bool) -> None:
    nodes = graph(spread=spread)
    assert identify(Environment(nodes[-1], nodes[2])) == ["sql-Source-ticks-1", "sql-Calc-1", "sql-Calc-2"]
    assert [node.uid for node in nodes] == ["sql-Source-ticks-1", "parse", "sql-Calc-1", "sql-Calc-2"]


def test_operators_of_other_windows_have_ids_of_their_own_and_no_other_operator_is_named_anew() -> None:
    nodes = graph(spread=False)
    given = identify(Environment(nodes[-1]), range(4, 5), FIRST_WINDOWS + 1)
    assert given == ["sql-Source-ticks-1", "windows2-Calc-1", f"sql-Calc-{OF_FIRST_WINDOWS['Calc'] + 1}"]
