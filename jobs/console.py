"""The console script: says what to install where only the library is, and else hands over to the command line."""

from __future__ import annotations

import sys

LIBRARY_ONLY = "lambda-learner: {missing} is missing: the commands need pip install 'lambda-learner-flink[job]'"
BAD_USAGE = 2  # exit code


def main() -> None:
    """Run the command line; exits with 2 and a message when the extra `job` is not installed."""
    try:
        from jobs import cli  # noqa: PLC0415 - what it imports may be missing
    except ModuleNotFoundError as error:
        if error.name in {"config", "jobs", "lambda_learner", "operators"}:
            raise
        sys.exit(_told(str(error.name)))
    cli.main()


def _told(missing: str) -> int:
    sys.stderr.write(LIBRARY_ONLY.format(missing=missing) + "\n")
    return BAD_USAGE
