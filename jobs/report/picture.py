"""A picture of the page: a title, a sentence on what it shows, and an SVG, or why there is none."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Picture"]


class Picture(NamedTuple):
    """One figure; without `svg`, the caption says what is missing."""

    title: str
    caption: str
    svg: str = ""
