"""Statistics, tables, figures and pages made from the records of members."""

from gru_lab.reports.publishing import publish, publish_page
from gru_lab.reports.report import Report, make, save

__all__ = ["Report", "make", "publish", "publish_page", "save"]
