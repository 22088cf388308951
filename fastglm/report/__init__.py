"""A fit as one self-contained web page."""

from fastglm.report.page import write_report

__all__ = ["write_report"]
