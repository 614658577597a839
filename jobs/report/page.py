"""The page from its sections, by the template beside this file: no network, no script, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobs.report.data import ReportInput, read_run
from jobs.report.drawing import count_text
from jobs.report.section import Section, build_section

__all__ = ["render", "write_report"]

TEMPLATE = "report.html.j2"


def write_report(output: Path, sections: Sequence[ReportInput]) -> Path:
    """Write the report of some runs and give its path; what a run lacks is said in the page, never raised."""
    page = render([build_section(source, read_run(source), key=f"run{i}") for i, source in enumerate(sections)])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")
    return output


def render(sections: Sequence[Section]) -> str:
    """The page's HTML."""
    loader = PackageLoader("jobs.report", package_path="")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = lambda value: "–" if value is None else count_text(value)
    environment.filters["metric"] = lambda value: "–" if value is None else f"{value:.4f}"
    environment.filters["drawing"] = Markup  # our own SVG, its texts escaped
    return environment.get_template(TEMPLATE).render(sections=sections)
