"""Why Flink's job failed, in the few lines of a long Java trace that say so, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

TRACE_FILE = "failure.txt"  # in the state folder
MAX_LINES = 12  # of a message: some Java exceptions explain themselves for pages

_TRACEBACK = re.compile(r"^.*Traceback \(most recent call last\):[^\n]*\n(?:[ \t][^\n]*\n|\n)*", re.MULTILINE)
_CAUSE = re.compile(r"^(?:Caused by: |: )", re.MULTILINE)
_END = re.compile(r"^(?:\s+at |\s*\.\.\. \d+ (?:more|common)|Caused by: |\s*$)", re.MULTILINE)
_PEMJA = re.compile(r"pemja\.core\.PythonException: <class '([\w.]+)'>(?:: )?")
_CLASS = re.compile(r"^(?:[\w$]+\.)+(?=[\w$]+(?::|$))")  # the packages before a class name


class JobFailed(RuntimeError):
    """Flink has given the job up; the message says why and what to do."""


def job_failed(trace: str, state: Path) -> JobFailed:
    """The error for the user; the whole trace goes to a file in the state folder."""
    path = state / TRACE_FILE
    path.write_text(trace)
    return JobFailed(
        f"the job failed: {root_cause(trace)}\n"
        "Nothing is lost: once the cause is removed, the same command resumes, from the last checkpoint if there is "
        f"one. The whole trace: {path}"
    )


def root_cause(trace: str) -> str:
    """The innermost cause in the text of a Java exception, as `Class: message`.

    A Python exception comes in one of two forms: of Pemja (thread mode) as the last `Caused by:`, of Beam (process
    mode) as a traceback within a message.
    """
    text = trace.replace("\r\n", "\n")
    tracebacks = list(_TRACEBACK.finditer(text))
    starts = tracebacks or list(_CAUSE.finditer(text))
    message = _message(text[starts[-1].end() :]) if starts else ""
    message = message or _message(text.lstrip()) or "no reason given"
    return _CLASS.sub("", _PEMJA.sub(r"\1: ", message)).removesuffix(": ")


def _message(text: str) -> str:
    end = _END.search(text)
    lines = text[: end.start() if end else None].rstrip().splitlines()
    return "\n".join(lines if len(lines) <= MAX_LINES else [*lines[:MAX_LINES], "…"])
