"""The memory horizon: what cells still reach as the task grows longer, and the longest that they solve."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gru_lab.reports.style import Palette, figure, files, legend, looks
from gru_lab.runs import Record

if TYPE_CHECKING:
    import numpy as np

SHARE = 0.5  # of the members that must solve a length


def solved(record: Record) -> bool:
    """Whether at least half of the members solved the task."""
    return record.solved >= SHARE * len(record.members)


def horizon(rungs: Mapping[int, Record]) -> int:
    """The longest length up to which every rung tried was solved by half of the members; 0 if the first was not."""
    reached = 0
    for length in sorted(rungs):
        if not solved(rungs[length]):
            break
        reached = length
    return reached


def ladder(task: str, cells: Mapping[str, Mapping[int, Record]], colours: Palette) -> dict[str, bytes]:
    """The test metric against the length, median and range of the seeds, with the value of the best guess (dotted).

    Filled dots: solved by half of the seeds. PNG and PDF.
    Source: Bai, Kolter & Koltun 2018, arXiv:1803.01271, figure 5.
    """
    import numpy as np

    first = next(iter(next(iter(cells.values())).values()))
    floors: dict[int, float] = {length: r.floor for rungs in cells.values() for length, r in rungs.items()}
    with figure(2.0, len(cells) + 1) as page:
        axes = page.subplots()
        handles = []
        styles = looks([next(iter(rungs.values())).cell for rungs in cells.values()], colours)
        for (label, rungs), look in zip(cells.items(), styles, strict=True):
            lengths = np.array(sorted(rungs), float)
            values = [_values(rungs[int(length)]) for length in lengths]
            low, middle, high = (np.array([f(v) for v in values]) for f in (np.min, np.median, np.max))
            axes.fill_between(lengths, low, high, color=look["color"], alpha=0.2, linewidth=0)
            handles += axes.plot(lengths, middle, **look, label=f"{label}: {horizon(rungs)}")
            for length, value in zip(lengths, middle, strict=True):
                inside = look["color"] if solved(rungs[int(length)]) else "white"
                axes.plot([length], [value], "o", color=look["color"], markerfacecolor=inside, markersize=4)
        guesses = sorted(floors)
        handles += axes.plot(guesses, [floors[n] for n in guesses], ":", color="0.45", linewidth=1, label="best guess")
        axes.set(xscale="log", xlabel="length of the task (steps)", ylabel=f"test {first.metric}")
        axes.set_xticks(sorted(floors), [str(n) for n in sorted(floors)])
        axes.minorticks_off()
        if first.better == "lower" and min(floors.values()) > 0:
            axes.set_yscale("log")
        page.suptitle(f"{task}\nlegend: longest length that half of the seeds solve (filled)", fontsize=8)
        legend(page, handles)
        return files(page)


def _values(record: Record) -> "np.ndarray":
    """The members' test results; the floor's in place of a diverged one's."""
    import numpy as np

    found = [member.metrics.get("test", {}).get(record.metric) for member in record.members]
    return np.array([record.floor if value is None else value for value in found], float)
