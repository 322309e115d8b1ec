"""Pages, one file each: documents made of trained groups and measured answers."""

from gru_lab.reports.pages.page import Entry, Material, Page, Subject, create, names, placed, register, subjects

__all__ = ["Entry", "Material", "Page", "Subject", "create", "names", "placed", "register", "subjects"]
