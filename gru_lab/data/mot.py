"""Tracks of detected objects, from a file in the format of MOTChallenge."""

import csv
from pathlib import Path

import numpy as np

from gru_lab.data.files import text_of
from gru_lab.errors import UserError


def read_tracks(path: Path, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The tracks of a file with a row `frame, id, left, top, width, height, ...` per detected object.

    A track has its boxes `(frames, 4)` as middle x, middle y, width and height, zeros in frames without a detection,
    and `seen (frames,)`. Where more than `gap` frames in a row lack a detection it is cut in two. Tracks stand in the
    order of their first frames; those of fewer than three detections are left out.

    Raises:
        UserError: by its line for a row that is not such, or for a box without an extent.
    """
    try:
        text = text_of(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    reader = csv.reader(text.splitlines())
    boxes: dict[int, dict[int, tuple[float, ...]]] = {}
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, line {reader.line_num}"
        try:
            frame, identity, left, top, width, height = map(float, row[:6])
        except ValueError:
            raise UserError(f"{where}: it must be frame, id, left, top, width, height, in numbers") from None
        if not np.isfinite([frame, identity, left, top, width, height]).all():
            raise UserError(f"{where}: a number is not finite")
        if frame != int(frame) or frame < 1 or identity != int(identity) or identity < 0:
            raise UserError(f"{where}: frame {frame:g} and id {identity:g} must be whole numbers from 1 and from 0 on")
        if width <= 0 or height <= 0:
            raise UserError(f"{where}: a box of {width:g} x {height:g} has no extent")
        track = boxes.setdefault(int(identity), {})
        if int(frame) in track:
            raise UserError(f"{where}: track {identity:g} has a second box in frame {frame:g}")
        track[int(frame)] = (left + width / 2, top + height / 2, width, height)
    pieces = []
    for track in boxes.values():
        frames = np.array(sorted(track))
        for part in np.split(frames, np.flatnonzero(np.diff(frames) > gap + 1) + 1):
            if len(part) >= 3:
                whole, seen = np.zeros((part[-1] - part[0] + 1, 4)), np.zeros(part[-1] - part[0] + 1, bool)
                whole[part - part[0]] = [track[frame] for frame in part]
                seen[part - part[0]] = True
                pieces.append((int(part[0]), whole, seen))
    if not pieces:
        raise UserError(f"{path} holds no track of at least three detections")
    pieces.sort(key=lambda piece: (piece[0], piece[1].tobytes()))
    return [(whole, seen) for _, whole, seen in pieces]
