"""The command line of a release whose join and batch keep their open windows in another form: their SQL is another."""

from __future__ import annotations

from operators import batch, join, rewind

OTHERS = rewind.WINDOWS + 1


def _with_a_count(sql: str) -> str:
    """The same rows, from an accumulator that counts them too."""
    return f"{sql} HAVING COUNT(*) > 0"


def _change(module: object, name: str) -> None:
    before = getattr(module, name)
    setattr(module, name, lambda *given: _with_a_count(before(*given)))


if __name__ == "__main__":
    rewind.WINDOWS = OTHERS  # type: ignore[misc]
    _change(join, "join_sql")
    _change(batch, "batch_sql")
    from jobs.console import main  # after the change, since modules take over what they import

    main()
