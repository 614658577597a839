"""The report of a run: one self-contained HTML page with its numbers and pictures."""

from jobs.report.data import ReportInput
from jobs.report.page import write_report

__all__ = ["ReportInput", "write_report"]
