"""The stored measurements of a group's members, as arrays with the members first."""

from typing import TYPE_CHECKING

from gru_lab.errors import UserError
from gru_lab.runs import Group, MemberFolder, Moments

if TYPE_CHECKING:
    import numpy as np

WHEN = {"initial": "at initialisation", "trained": "after training"}


def measured(group: Group, name: str) -> "dict[str, dict[str, np.ndarray]]":
    """By `initial` and `trained` and then by name, arrays with the members first.

    A member without it has NaN; a moment that no member has is missing, so that all is empty if nothing was measured.

    Raises:
        UserError: if a file was changed, or two members measured different shapes.
    """
    import numpy as np

    moments = _moments(group, name)
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for when in WHEN:
        values = [moment.at(when) if moment else None for moment in moments]
        first = next((value for value in values if value is not None), None)
        if first is None:
            continue
        rows = [{key: np.full_like(first[key], np.nan) for key in first} if row is None else row for row in values]
        try:
            arrays[when] = {key: np.stack([row[key] for row in rows]) for key in first}
        except (KeyError, ValueError):
            raise UserError(f"{group.shared.folder} and its like measured {name} of different shapes") from None
    return arrays


def over_time(group: Group, name: str, array: str) -> "tuple[np.ndarray, np.ndarray] | None":
    """The updates (N,) and one array (N, members, ...) while the members trained, the beginning among them.

    NaN where a member had stopped. None if no member was measured while it trained.
    """
    import numpy as np

    moments = [moment.over_time() if moment else None for moment in _moments(group, name)]
    if not any(moment and "live" in moment.when for moment in moments):
        return None
    updates = np.unique(np.concatenate([moment.updates for moment in moments if moment]))
    shape = next(moment.values[array].shape[1:] for moment in moments if moment)
    values = np.full((len(updates), len(moments), *shape), np.nan)
    for i, moment in enumerate(moments):
        if moment:
            values[np.searchsorted(updates, moment.updates), i] = moment.values[array]
    return updates, values


def _moments(group: Group, name: str) -> list[Moments | None]:
    return [MemberFolder(record.folder).measured(name) if record.folder else None for record in group.members]
