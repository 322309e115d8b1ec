"""An equal budget of tuning for every network, before the seeds that are reported."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from gru_lab.runs.record import Seed
from gru_lab.schema import Range, Size
from gru_lab.training.axes import Axes, axes_of, settings
from gru_lab.training.protocols.choice import check_population, check_seeds, members, ranked, selection
from gru_lab.training.protocols.protocol import Protocol, Round, Search, Trial, register

if TYPE_CHECKING:
    from gru_lab.training.experiment import Experiment

Share = Annotated[float, Range(0, 1, above=True)]
RATES = {"optimizer": {"learning_rate": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]}}


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
        first_seed: the first seed of those that choose.
        keep: the share of the settings that train on after a comparison.
    """

    axes: dict[str, Any] = field(default_factory=dict)
    seeds: Size = 2
    first_seed: Seed = 1_000_000
    halving: tuple[Share, ...] = (0.25, 0.5)
    keep: Share = 0.5

    def check(self) -> None:
        """Axes must hold numbers, and seeds be numbers that differ in JAX's random keys."""
        object.__setattr__(self, "axes", axes_of("protocol.axes", self.axes or RATES))
        check_seeds(self, self.seeds, self.first_seed)

    def check_experiment(self, experiment: "Experiment") -> None:
        """The seeds that are reported take no part in the choice."""
        check_population(self, self.seeds, self.first_seed, experiment)

    @property
    def spans(self) -> Axes:
        """See `Protocol.spans`."""
        return self.axes

    @property
    def budget(self) -> int:
        """See `Protocol.budget`."""
        return len(settings(self.axes)) * self.seeds

    def search(self, experiment: "Experiment") -> Search:
        """All settings side by side, of which a share trains on after every rung."""
        going = members(settings(self.axes), self.seeds, self.first_seed, experiment)
        known: dict[str, Trial] = {}
        best: list[str] = []
        for until in [*self.rungs(experiment), experiment.training.updates]:
            trials = yield Round(going, until)
            known |= {trial.member.name: trial for trial in trials}
            best = ranked(trials, self.axes, experiment)
            kept = best[: math.ceil(self.keep * len(best))]
            going = [member for member in going if member.setting in kept]
        return selection(best[0], known.values(), self.axes, self._at_end)

    def _at_end(self, path: str, value: float) -> bool:
        values = self.axes[path]
        return len(values) > 1 and value in (min(values), max(values))

    def rungs(self, experiment: "Experiment") -> list[int]:
        """The evaluations at or after the shares of `halving`."""
        updates, every = experiment.training.updates, experiment.training.evaluate_every
        rungs = {math.ceil(share * updates / every) * every for share in self.halving}
        return sorted(rung for rung in rungs if rung < updates)

    @property
    def statement(self) -> str:
        """See `Protocol.statement`."""
        axes = " and ".join(f"{path} ({', '.join(f'{x:g}' for x in values)})" for path, values in self.axes.items())
        halved = f", successive halving at {' and '.join(f'{share:g}' for share in self.halving)} of the updates"
        return (
            f"Every network chose {axes} on validation results alone, with {self.seeds} tuning seeds per setting that "
            f"are not among those reported{halved if self.halving else ''}"
        )
