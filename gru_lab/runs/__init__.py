"""The record of one run, its folder, progress and tracking: the only input and output of results."""

from gru_lab.runs.folder import RunFolder
from gru_lab.runs.record import Member, Record, find_records

__all__ = ["Member", "Record", "RunFolder", "find_records"]
