"""Identity, record, store, claims and trackers: the only input and output of results."""

from gru_lab.runs.record import Found, Group, Member, Record, find_records, grouped
from gru_lab.runs.store import MemberFolder, Moments, RunFolder

__all__ = ["Found", "Group", "Member", "MemberFolder", "Moments", "Record", "RunFolder", "find_records", "grouped"]
