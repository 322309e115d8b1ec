"""The figure of attention: the share of each source word in each word of a translation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gru_lab.reports import escape, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 24  # of a word at most in one line


def attention_figure(
    shares: np.ndarray, answers: Sequence[str], sources: Sequence[str], on: "Axes | None" = None
) -> "Figure":
    """The shares (answers, sources) as a map of greys, black for 1: a row per answer, a column per source word.

    After figure 3 of Bahdanau et al. 2015, arXiv:1409.0473.

    >>> attention_figure(np.eye(2), ["ein", "Hund"], ["a", "dog"]).axes[0].get_xlabel()
    'read'
    """
    if shares.shape != (len(answers), len(sources)):
        raise ValueError(f"shares are {shares.shape}: they must be {(len(answers), len(sources))}, a row per answer")
    with style.sheet(0.9 + 0.14 * len(answers), [], on) as drawing:
        axes = drawing.panels[0, 0]
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        rows, columns = ([escape.figure(word, LETTERS) for word in words] for words in (answers, sources))
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel("read")
        axes.set_ylabel("written")
        return drawing.figure
