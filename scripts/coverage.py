"""Print how often the intervals of reports hold what they should, by simulation: the claim is 95%."""

import argparse
import itertools
from collections.abc import Sequence

from gru_lab.exits import leave


def main(argv: Sequence[str] | None = None) -> int:
    """Print the coverage of every interval as Markdown; the exit status is 0."""
    parser = argparse.ArgumentParser("coverage.py", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100_000, help="samples per entry (bootstraps: a fiftieth)")
    options = parser.parse_args(argv)

    # after the options are read: --help must not wait for them
    from gru_lab.reports.coverage import (
        DISTRIBUTIONS,
        INTERVALS,
        SIZES,
        aggregate_coverage,
        coverage,
        improvement_coverage,
        prediction_coverage,
    )

    print("| interval | distribution |" + "".join(f" n = {n} |" for n in SIZES))
    print("|---|---|" + "---:|" * len(SIZES))
    for name, bounds in INTERVALS.items():
        repetitions = options.repetitions // (50 if name in ("BCa", "percentile") else 1)
        for kind, distribution in DISTRIBUTIONS.items():
            shares = [coverage(distribution, n, repetitions, bounds) for n in SIZES]
            print(f"| {name} | {kind} |" + "".join(f" {share:.1%} |" for share in shares), flush=True)
    for words, seeds in (("mean of a repetition", lambda n: n), ("single further run", lambda n: 1)):
        for kind, distribution in DISTRIBUTIONS.items():
            shares = [prediction_coverage(distribution, n, seeds(n), options.repetitions) for n in SIZES]
            print(f"| {words} | {kind} |" + "".join(f" {share:.1%} |" for share in shares), flush=True)
    few = options.repetitions // 100
    for shift in (0.0, 1.0, 2.0):
        shares = [improvement_coverage(shift, n, few) for n in SIZES]
        print(f"| improvement | normal, {shift:g} apart |" + "".join(f" {share:.1%} |" for share in shares), flush=True)
    for statistic, kind, tasks in itertools.product(("mean", "iqm"), DISTRIBUTIONS, (1, 4)):
        shares = [aggregate_coverage(DISTRIBUTIONS[kind], tasks, n, few // 2, statistic) for n in SIZES]
        print(f"| {statistic}, {tasks} tasks | {kind} |" + "".join(f" {share:.1%} |" for share in shares), flush=True)
    return 0


if __name__ == "__main__":
    leave(main)
