from __future__ import annotations

from pathlib import Path

import pytest

from jobs.failure import JobFailed, job_failed, root_cause

TRACES = Path(__file__).parents[1] / "golden" / "traces"
FENCED = (
    "Fenced: coefficients/model-0/generation.json belongs to epoch 2, this writer has epoch 1: another job took the "
    "bucket over; stop this job, or start it with --take-over to take the bucket back"
)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_the_cause_is_what_our_python_raised(mode: str) -> None:
    """Texts of Flink 2.3, of a job whose bucket was taken over."""
    assert root_cause((TRACES / f"fenced_{mode}.txt").read_text()) == FENCED


def test_the_innermost_java_cause_counts() -> None:
    trace = (
        "An error occurred while calling o552.get.\n"
        ": java.util.concurrent.ExecutionException: org.apache.flink.JobException: Job execution failed.\n"
        "\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
        "Caused by: org.apache.flink.JobException: Job execution failed.\n"
        "\tat org.apache.flink.Some.where(Some.java:1)\n"
        "\tSuppressed: java.lang.RuntimeException: closing\n"
        "\t\tat x.y(Z.java:1)\n"
        "\tCaused by: java.lang.Error: of the suppressed\n"
        "Caused by: java.io.IOException: No space left on device\n"
        "\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)\n"
        "\t... 26 more\n"
    )
    assert root_cause(trace) == "IOException: No space left on device"


def test_a_java_exception_without_a_cause_speaks_for_itself() -> None:
    trace = (
        "An error occurred while calling o1.x.\n: java.lang.IllegalStateException: No operators\n\tat a.b(C.java:1)\n"
    )
    assert root_cause(trace) == "IllegalStateException: No operators"


def test_an_exception_without_a_message_is_its_class() -> None:
    assert root_cause("x\n: java.lang.NullPointerException\n\tat a.b(C.java:1)\n") == "NullPointerException"


def test_a_message_of_several_lines_is_told_whole() -> None:
    trace = (
        "Caused by: pemja.core.PythonException: <class 'lambda_learner.publish.errors.StoreError'>: cannot write a/b:\n"
        "  No space left on device; free some\n"
        "\tat /app/operators/publish.on_timer(publish.py:76)\n"
    )
    assert root_cause(trace) == "StoreError: cannot write a/b:\n  No space left on device; free some"


def test_of_chained_python_exceptions_the_last_counts() -> None:
    trace = (
        "Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 11: "
        "Traceback (most recent call last):\n"
        '  File "store.py", line 1, in put\n'
        "    path.write_bytes(data)\n"
        "OSError: [Errno 28] No space left on device\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "store.py", line 2, in put\n'
        "    raise failure from error\n"
        "          ^^^^^^^\n"
        "lambda_learner.publish.errors.StoreError: cannot write a/b in /x: No space left on device\n"
        "\n"
        "\tat org.apache.beam.X.onNext(X.java:180)\n"
        "\t... 3 more\n"
    )
    assert root_cause(trace) == "StoreError: cannot write a/b in /x: No space left on device"


def test_a_python_exception_of_no_package_keeps_its_name() -> None:
    assert (
        root_cause("Caused by: pemja.core.PythonException: <class 'KeyError'>: 'x'\n\tat a.b(c.py:1)\n")
        == "KeyError: 'x'"
    )


def test_a_dot_in_a_message_is_no_package() -> None:
    assert root_cause(": java.io.IOException: a.b.c: gone\n") == "IOException: a.b.c: gone"


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        ("Answer from Java side is empty", "Answer from Java side is empty"),
        ("", "no reason given"),
        ("\n \n", "no reason given"),
    ],
)
def test_what_is_no_trace_is_told_as_it_is(trace: str, cause: str) -> None:
    assert root_cause(trace) == cause


def test_a_message_that_goes_on_for_pages_is_cut() -> None:
    cause = root_cause("Caused by: a.B: " + "\n".join(f"line {number}" for number in range(99)))
    assert cause.splitlines()[0] == "B: line 0"
    assert (len(cause.splitlines()), cause.splitlines()[-1]) == (13, "…")


def test_the_error_says_what_to_do_and_where_the_trace_is(tmp_path: Path) -> None:
    trace = "x\n: java.io.IOException: full\n\tat a.b(C.java:1)\n"
    error = job_failed(trace, tmp_path)
    assert isinstance(error, JobFailed)
    assert str(error).startswith("the job failed: IOException: full\n")
    assert "the same command resumes" in str(error)
    assert str(tmp_path / "failure.txt") in str(error)
    assert (tmp_path / "failure.txt").read_text() == trace
