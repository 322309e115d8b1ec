"""Rank correlations over many runs between a number known beforehand and the updates until a task is solved."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gru_lab.reports.statistics import bootstrap

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000  # of runs and members: each costs a ranking of all


class Run(NamedTuple):
    """One run's members: what was known of each, and after how many updates it solved the task (infinite: never)."""

    known: "np.ndarray"
    updates: "np.ndarray"


class Correlation(NamedTuple):
    """Spearman's rank correlation with its 95% interval, with the numbers of runs and members.

    NaN where either side has one value only; the interval is NaN for fewer than three runs in every task.
    """

    rho: float
    low: float
    high: float
    runs: int
    members: int


def rank_correlation(tasks: Mapping[str, Sequence[Run]], seed: int = 0) -> Correlation:
    """Spearman's rho between what was known and the updates to solve, within tasks.

    Members are ranked within their task, since updates on different tasks do not compare; who never solved it ranks
    behind all that did. The ranks of all tasks are then correlated as one sample, each task's centred. Runs of one cell
    share what decides most of it, so the interval is a bootstrap over runs and then over the members of each (2000
    resamples, percentiles; Davison & Hinkley 1997, section 3.8).
    """
    import numpy as np

    whole = {task: [run for run in runs if len(run.known)] for task, runs in tasks.items()}
    whole = {task: runs for task, runs in whole.items() if runs}

    def again(rng: np.random.Generator, runs: Sequence[Run]) -> list[Run]:
        chosen = [runs[n] for n in rng.integers(len(runs), size=len(runs))]
        draws = [rng.integers(len(run.known), size=len(run.known)) for run in chosen]
        return [Run(run.known[draw], run.updates[draw]) for run, draw in zip(chosen, draws, strict=True)]

    def replicates(rng: np.random.Generator) -> np.ndarray:
        return np.array([_rho([again(rng, runs) for runs in whole.values()]) for _ in range(RESAMPLES)])

    enough = any(len(runs) >= 3 for runs in whole.values())
    low, high = bootstrap(replicates, seed) if enough else (np.nan, np.nan)
    number = sum(map(len, whole.values()))
    members = sum(len(run.known) for group in whole.values() for run in group)
    return Correlation(_rho(list(whole.values())), float(low), float(high), number, members)


def _rho(tasks: Sequence[Sequence[Run]]) -> float:
    import numpy as np
    from scipy.stats import rankdata

    sides = []
    for side in (0, 1):
        ranks = [rankdata(np.concatenate([run[side] for run in runs])) for runs in tasks]
        sides.append(np.concatenate([(rank - rank.mean()) / len(rank) for rank in ranks]) if ranks else np.zeros(0))
    norm = float(np.sqrt((sides[0] ** 2).sum() * (sides[1] ** 2).sum()))
    return float((sides[0] * sides[1]).sum() / norm) if norm > 0 else float("nan")
