"""Statistics, tables and figures made from the records of runs."""

from gru_lab.reports.report import Report, make, save, write

__all__ = ["Report", "make", "save", "write"]
