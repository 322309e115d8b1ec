"""An adaptive search for the setting of every network, with the samplers of Optuna, asked and told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gru_lab.errors import UserError
from gru_lab.runs.record import Seed
from gru_lab.schema import Count, Size
from gru_lab.training.axes import Axes, bounds_of
from gru_lab.training.protocols.choice import (
    by_setting,
    check_population,
    check_seeds,
    cost,
    members,
    ranked,
    selection,
    spent,
)
from gru_lab.training.protocols.protocol import Protocol, Round, Search, Trial, register

if TYPE_CHECKING:
    from gru_lab.training.experiment import Experiment

RATES = {"optimizer": {"learning_rate": {"loguniform": [3e-4, 1e-1]}}}
EDGE = 0.05  # the share of an axis, at either end, in which a choice counts as at its end
NAMES = {"tpe": "TPE", "cmaes": "CMA-ES", "gp": "Gaussian process", "random": "random"}
PARENTS = 4  # of fewer settings CMA-ES would keep one, from which it learns no covariance
NEEDED = {"cmaes": "cmaes", "gp": "torch"}  # packages of samplers beside Optuna


@register("optuna")
@dataclass(frozen=True, kw_only=True)
class Optuna(Protocol):
    """Every network searches between the same bounds with the same budget; fresh seeds are then reported.

    A sampler of Optuna (Akiba et al. 2019, arXiv:1907.10902) is asked for a generation of settings, which train with
    `seeds` seeds each as the members of one compiled program; it is told what they reached on validation data, and
    asked again. It is told and the choice is made as `tuned` ranks settings. The test set is touched once: by the
    reported members, after the choice.

    A search that was interrupted is asked again from its beginning and told the recorded results, so that nothing of
    it is kept beside the records. Values have six digits, so that rounding changes no setting.

    Attributes:
        axes: the bounds of every hyper-parameter that is chosen, by path:
            `protocol.axes.optimizer.learning_rate={loguniform:[1e-4,1e-1]}`, or `uniform`; learning rates from 0.0003
            to 0.1 where nothing is given.
        sampler: `tpe` (tree-structured Parzen estimators, Bergstra et al. 2011; the first ten settings are random),
            `cmaes` (evolution strategy, Hansen & Ostermeier 2001; the first generation is random), `gp` (Gaussian
            process; the first ten are random) or `random`.
        sampler_seed: the seed of the sampler, the same for every network.
        trials: the number of settings, in generations of `generation`.
        seeds: the number of seeds of every setting, from `first_seed` on.
        generation: the settings that train side by side before the sampler is told.
        first_seed: the first seed of those that choose.
    """

    packages: ClassVar[tuple[str, ...]] = ("optuna",)

    axes: dict[str, Any] = field(default_factory=dict)
    sampler: Literal["tpe", "cmaes", "gp", "random"] = "tpe"
    sampler_seed: Count = 0
    trials: Size = 24
    generation: Size = 6
    seeds: Size = 2
    first_seed: Seed = 1_000_000

    def check(self) -> None:
        """Axes must have bounds, trials make whole generations, and seeds be those of JAX's random keys."""
        object.__setattr__(self, "axes", bounds_of("protocol.axes", self.axes or RATES))
        if self.trials % self.generation:
            self.refuse("trials", f"it must be a multiple of protocol.generation, which is {self.generation}")
        if self.sampler == "cmaes" and self.generation < PARENTS:
            self.refuse("generation", f"sampler=cmaes needs at least {PARENTS} settings in a generation")
        check_seeds(self, self.seeds, self.first_seed)

    def check_experiment(self, experiment: "Experiment") -> None:
        """The seeds that are reported take no part in the choice."""
        check_population(self, self.seeds, self.first_seed, experiment)

    @property
    def spans(self) -> Axes:
        """See `Protocol.spans`."""
        return {path: (low, high) for path, law in self.axes.items() for low, high in law.values()}

    @property
    def budget(self) -> int:
        """See `Protocol.budget`."""
        return self.trials * self.seeds

    def search(self, experiment: "Experiment") -> Search:
        """One generation after the other, each asked for when all before it have been told."""
        study, laws = self._study(), self._distributions()
        known: dict[str, Trial] = {}
        for _ in range(self.trials // self.generation):
            asked = [study.ask(laws) for _ in range(self.generation)]
            tried = [self._short(each.params) for each in asked]
            trials = yield Round(
                members(tried, self.seeds, self.first_seed, experiment),
                experiment.training.updates,
                spent(known.values()),
            )
            of = {_values(each[0], self.axes): each for each in by_setting(trials).values()}
            for each, values in zip(asked, tried, strict=True):
                study.tell(each, cost(of[tuple(values.values())], experiment))
            known |= {trial.member.name: trial for trial in trials}
        best = ranked(known.values(), self.axes, experiment)[0]
        return selection(best, known.values(), self.axes, self._at_end)

    def _study(self) -> Any:
        """A study in memory, whose sampler has its seed; `UserError` where a package is missing."""
        if find_spec("optuna") is None:
            raise UserError(
                "protocol is 'optuna': it needs the package optuna, which is not installed: "
                "pip install 'gru-lab[optuna]'"
            )
        if (package := NEEDED.get(self.sampler)) and find_spec(package) is None:
            self.refuse("sampler", f"it needs the package {package}, which is not installed: pip install {package}")
        import optuna

        kinds = optuna.samplers
        sampler = {"tpe": kinds.TPESampler, "cmaes": kinds.CmaEsSampler, "gp": kinds.GPSampler,
                   "random": kinds.RandomSampler}[self.sampler]  # fmt: skip
        options = {"popsize": self.generation} if self.sampler == "cmaes" else {}
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
        try:
            return optuna.create_study(sampler=sampler(seed=self.sampler_seed, **options))
        finally:
            optuna.logging.set_verbosity(level)

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import FloatDistribution

        return {
            path: FloatDistribution(*ends, log="loguniform" in self.axes[path]) for path, ends in self.spans.items()
        }

    def _short(self, params: Mapping[str, float]) -> dict[str, float]:
        """The values that were asked for with six digits, within their bounds."""
        spans = self.spans
        return {path: min(max(float(f"{params[path]:.6g}"), low), high) for path, (low, high) in spans.items()}

    def _at_end(self, path: str, value: float) -> bool:
        low, high = self.spans[path]
        if "loguniform" in self.axes[path]:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return not EDGE < (value - low) / (high - low) < 1 - EDGE

    @property
    def statement(self) -> str:
        """See `Protocol.statement`."""
        axes = " and ".join(
            f"{path} ({low:g} to {high:g}{', logarithmic' * ('loguniform' in self.axes[path])})"
            for path, (low, high) in self.spans.items()
        )
        return (
            f"Every network chose {axes} on validation results alone, in {self.trials} trials of Optuna's "
            f"{NAMES[self.sampler]} sampler, {self.generation} at a time, with {self.seeds} tuning seeds per trial "
            "that are not among those reported"
        )


def _values(trial: Trial, axes: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(trial.member.hyper[path] for path in axes)
