"""Published tables, one file each: their numbers, how to make ours, and both side by side."""

from gru_lab.reports.published.published import Entry, Placed, Published, create, names, register

__all__ = ["Entry", "Placed", "Published", "create", "names", "register"]
