"""An equal budget of tuning for every network, before the seeds that are reported."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from gru_lab.runs import Member
from gru_lab.runs.record import LAST_SEED, Seed
from gru_lab.schema import Range, Size
from gru_lab.training.axes import axes_of, settings
from gru_lab.training.protocols.protocol import Protocol, Selection, Trial, register

if TYPE_CHECKING:
    from gru_lab.training.experiment import Experiment

Share = Annotated[float, Range(0, 1, above=True)]
RATES = {"optimizer": {"learning_rate": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]}}
HOPELESS = math.inf


@register("tuned")
@dataclass(frozen=True, kw_only=True)
class Tuned(Protocol):
    """Every network chooses its setting on validation results with the same budget; fresh seeds are then reported.

    Every combination of the values on the axes trains with `seeds` seeds, which are never reported. Successive halving
    (Jamieson and Talwalkar 2016, arXiv:1502.07943) stops the settings without hope. A setting is judged by the mean of
    the best validation results of its seeds, where a seed that diverged counts as the worst. Where training stops when
    the task is solved, the number of seeds that solved it comes first, and of two settings whose seeds all did the one
    that needed fewer updates is the better. The test set is touched once: by the reported members, after the choice.

    Attributes:
        axes: the values among which is chosen, by path: `protocol.axes.optimizer.learning_rate=[1e-3,1e-2]`, or drawn
            as in `population.axes`; six learning rates from 0.0003 to 0.1 where nothing is given.
        seeds: the number of seeds of every setting, from `first_seed` on.
        halving: the shares of all updates after which settings are compared, and `keep` is the share of the settings
            that train on, at least one; `halving=[]` trains all to the end.
    """

    axes: dict[str, Any] = field(default_factory=dict)  # pyright: ignore[reportIncompatibleVariableOverride]
    seeds: Size = 2
    first_seed: Seed = 1_000_000
    halving: tuple[Share, ...] = (0.25, 0.5)
    keep: Share = 0.5

    def check(self) -> None:
        """Axes must hold numbers, and seeds be numbers that differ in JAX's random keys."""
        object.__setattr__(self, "axes", axes_of("protocol.axes", self.axes or RATES))
        if self.first_seed + self.seeds - 1 > LAST_SEED:
            self.refuse("seeds", f"with first_seed={self.first_seed} the last seed would be above {LAST_SEED}")

    def check_experiment(self, experiment: "Experiment") -> None:
        """The seeds that are reported take no part in the choice."""
        population = experiment.population
        if population.axes:
            population.refuse("axes", "under protocol=tuned the values among which is chosen stand in protocol.axes")
        if population.role == "tune":
            population.refuse("role", "protocol=tuned plans the members of both roles itself")
        tuning = range(self.first_seed, self.first_seed + self.seeds)
        reported = range(population.first_seed, population.first_seed + population.seeds)
        if max(tuning.start, reported.start) < min(tuning.stop, reported.stop):
            self.refuse("first_seed", f"seeds {reported.start} to {reported[-1]} are reported and may not choose")

    def trials(self, experiment: "Experiment") -> list[Member]:
        """See `Protocol.trials`."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        hypers = [experiment.hyper | setting for setting in settings(self.axes)]
        return [Member(seed=seed, hyper=hyper, role="tune") for hyper in hypers for seed in seeds]

    def rungs(self, experiment: "Experiment") -> list[int]:
        """The evaluations at or after the shares of `halving`."""
        updates, every = experiment.training.updates, experiment.training.evaluate_every
        rungs = {math.ceil(share * updates / every) * every for share in self.halving}
        return sorted(rung for rung in rungs if rung < updates)

    def promoted(self, trials: Sequence[Trial], experiment: "Experiment") -> set[str]:
        """See `Protocol.promoted`."""
        ranked = self._ranked(trials, experiment)
        return set(ranked[: math.ceil(self.keep * len(ranked))])

    def choose(self, trials: Sequence[Trial], experiment: "Experiment") -> Selection:
        """The best of the settings that were not halted."""
        halted = {trial.member.setting for trial in trials if trial.halted}
        best = next(setting for setting in self._ranked(trials, experiment) if setting not in halted)
        hyper = next(trial.member.hyper for trial in trials if trial.member.setting == best)
        chosen = {path: hyper[path] for path in self.axes}
        edge = [path for path, x in chosen.items() if len(self.axes[path]) > 1
                and x in (min(self.axes[path]), max(self.axes[path]))]  # fmt: skip
        return Selection(chosen, len(trials), sum(trial.updates for trial in trials), tuple(edge))

    def _ranked(self, trials: Sequence[Trial], experiment: "Experiment") -> list[str]:
        """The settings of some trials, the best first."""
        by_setting: dict[str, list[Trial]] = {}
        for trial in trials:
            by_setting.setdefault(trial.member.setting, []).append(trial)
        sign = 1 if experiment.task.better == "lower" else -1

        def score(setting: str) -> tuple[float, ...]:
            seeds = by_setting[setting]
            values = [HOPELESS if trial.value is None else sign * trial.value for trial in seeds]
            order = tuple(seeds[0].member.hyper[path] for path in self.axes)
            if not experiment.training.stop_when_solved:
                return (statistics.fmean(values), *order)
            solved = [trial.solved_at for trial in seeds if trial.solved_at is not None]
            needed = statistics.fmean(solved) if len(solved) == len(seeds) else 0
            return (-len(solved), needed, statistics.fmean(values), *order)

        return sorted(by_setting, key=score)

    @property
    def statement(self) -> str:
        """See `Protocol.statement`."""
        axes = " and ".join(f"{path} ({', '.join(f'{x:g}' for x in values)})" for path, values in self.axes.items())
        halved = f", successive halving at {' and '.join(f'{share:g}' for share in self.halving)} of the updates"
        return (
            f"Every network chose {axes} on validation results alone, with {self.seeds} tuning seeds per setting that "
            f"are not among those reported{halved if self.halving else ''}"
        )
