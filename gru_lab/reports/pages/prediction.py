"""Prediction: correlation of an untrained network's gradient horizon with the updates until it solves its task."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gru_lab.errors import UserError
from gru_lab.reports.document import Block, Code, Document, Table, Text
from gru_lab.reports.labels import task_labels
from gru_lab.reports.measured import WHEN, measured
from gru_lab.reports.pages.page import Material, Page, register
from gru_lab.reports.prediction import RESAMPLES, Run, rank_correlation

MEASURES = {"horizon": "horizon", "rate of decay": "decay_rate"}
READING = (
    "Within each task and over all, Spearman's rank correlation of the gradient's horizon and of its rate of decay "
    "with the updates to solve the task; a member that never solved it ranks behind all that did. Negative: the "
    "further the gradient reaches, the sooner the task is solved. Measured after training it is no prediction, but a "
    f"check of the measure. Intervals: 95%, {RESAMPLES} bootstrap resamples of the runs and then of their members."
)


@register("prediction")
@dataclass(frozen=True, kw_only=True)
class Prediction(Page):
    """Rank correlations over all groups that were found."""

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        known: dict[str, dict[str, list[Run]]] = {}
        groups = material.found.groups
        for group, task in zip(groups, task_labels(groups), strict=True):
            updates = np.array([np.inf if r.solved_at is None else r.solved_at for r in group.members], float)
            moments = measured(group, "gradient_flow")
            for when, words in WHEN.items():
                for name, array in MEASURES.items():
                    if when in moments and array in moments[when]:
                        values = moments[when][array]
                        run = Run(values[np.isfinite(values)], updates[np.isfinite(values)])
                        known.setdefault(f"{name} {words}", {}).setdefault(task, []).append(run)
        if not known:
            raise UserError("none of these runs measured its gradients: train them with diagnostics=[gradient_flow]")
        head = ["gradient", "task", "rank correlation with the updates to solve", "runs", "members", "solved"]
        rows = [row for name, by_task in known.items() for row in _rows(name, by_task)]
        blocks: list[Block] = [Code(material.command)] if material.command else []
        return Document(
            "Gradients before training, and learning", [*blocks, Text(READING), Table(head, rows, "lllrrr")]
        )


def _rows(name: str, tasks: Mapping[str, list[Run]]) -> list[list[str]]:
    rows = []
    for label, chosen in {**{task: {task: runs} for task, runs in tasks.items()}, "all": tasks}.items():
        if label == "all" and len(tasks) == 1:
            continue
        rho, low, high, runs, members = rank_correlation(chosen)
        solved = sum(int(np.isfinite(run.updates).sum()) for group in chosen.values() for run in group)
        value = f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]" if np.isfinite(rho) else "all alike"
        rows.append([name, label, value, str(runs), str(members), str(solved)])
    return rows
