"""A choice among trials, by validation results alone: what protocols that tune share."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gru_lab.runs import Member
from gru_lab.runs.record import LAST_SEED
from gru_lab.training.protocols.protocol import Protocol, Selection, Trial, name_of

if TYPE_CHECKING:
    from gru_lab.training.experiment import Experiment


def check_seeds(protocol: Protocol, seeds: int, first_seed: int) -> None:
    """Raise `UserError` for seeds that are no numbers of JAX's random keys."""
    if first_seed + seeds - 1 > LAST_SEED:
        protocol.refuse("seeds", f"with first_seed={first_seed} the last seed would be above {LAST_SEED}")


def check_population(protocol: Protocol, seeds: int, first_seed: int, experiment: "Experiment") -> None:
    """Raise `UserError` where the population chooses, too, or reports a seed that takes part in the choice."""
    population, name = experiment.population, name_of(protocol)
    if population.axes:
        population.refuse("axes", f"under protocol={name} the values among which is chosen stand in protocol.axes")
    if population.role == "tune":
        population.refuse("role", f"protocol={name} plans the members of both roles itself")
    tuning = range(first_seed, first_seed + seeds)
    reported = range(population.first_seed, population.first_seed + population.seeds)
    if max(tuning.start, reported.start) < min(tuning.stop, reported.stop):
        protocol.refuse("first_seed", f"seeds {reported.start} to {reported[-1]} are reported and may not choose")


def members(
    settings: Iterable[Mapping[str, float]], seeds: int, first_seed: int, experiment: "Experiment"
) -> list[Member]:
    """The members that try some settings, each once."""
    numbers = range(first_seed, first_seed + seeds)
    made = (Member(seed=n, hyper=experiment.hyper | dict(each), role="tune") for each in settings for n in numbers)
    return [*{member.name: member for member in made}.values()]


def by_setting(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The trials of every setting."""
    grouped: dict[str, list[Trial]] = {}
    for trial in trials:
        grouped.setdefault(trial.member.setting, []).append(trial)
    return grouped


def cost(seeds: Sequence[Trial], experiment: "Experiment") -> float:
    """A number for the trials of one setting, less for a better one, from 0 to one more than there are seeds.

    The number of seeds that did not solve the task, where training stops when it is solved, and a fraction: of the
    updates that the seeds needed, if all did; else of their mean validation result m, lower being better,

        (1 + m / (1 + |m|)) / 2,

    which is 1 where a seed diverged.
    """
    solved = [
        trial.solved_at for trial in seeds if trial.solved_at is not None and experiment.training.stop_when_solved
    ]
    if len(solved) == len(seeds):
        return statistics.fmean(solved) / experiment.training.updates
    m = mean(seeds, experiment)
    return len(seeds) - len(solved) + (1.0 if math.isinf(m) else (1 + m / (1 + abs(m))) / 2)


def mean(seeds: Sequence[Trial], experiment: "Experiment") -> float:
    """The mean validation result of a setting, lower being better; infinite where a seed diverged."""
    sign = 1 if experiment.task.better == "lower" else -1
    return statistics.fmean(math.inf if trial.value is None else sign * trial.value for trial in seeds)


def ranked(trials: Iterable[Trial], paths: Iterable[str], experiment: "Experiment") -> list[str]:
    """The settings of some trials, the best first: by `cost`, then by `mean`, then by the values at some paths."""
    grouped, paths = by_setting(trials), tuple(paths)

    def key(setting: str) -> tuple[float, ...]:
        seeds = grouped[setting]
        return (cost(seeds, experiment), mean(seeds, experiment), *(seeds[0].member.hyper[path] for path in paths))

    return sorted(grouped, key=key)


def spent(trials: Iterable[Trial]) -> Selection:
    """The cost of some trials, without a choice."""
    trials = [*trials]
    return Selection(trials=len(trials), updates=sum(trial.updates for trial in trials))


def selection(
    setting: str, trials: Iterable[Trial], paths: Iterable[str], at_end: Callable[[str, float], bool]
) -> Selection:
    """The choice of a setting among all trials; `at_end(path, value)` is whether a value is at an end of its axis."""
    trials = [*trials]
    hyper = next(trial.member.hyper for trial in trials if trial.member.setting == setting)
    chosen = {path: hyper[path] for path in paths}
    cost = spent(trials)
    return Selection(chosen, cost.trials, cost.updates, tuple(path for path, x in chosen.items() if at_end(path, x)))
