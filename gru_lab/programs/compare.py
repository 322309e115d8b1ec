"""The comparison: vanilla RNN, LSTM and GRU at equal parameters on four tasks, to a table and figures."""

import argparse
import time
from pathlib import Path

from gru_lab.exits import called

TASKS = ("adding", "copy", "temporal_order", "digits")


def main(argv: list[str] | None = None) -> int:
    """Run what is not yet there, then print the table and say where the files are; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog=called("scripts/compare"),
        description=__doc__,
        epilog="Finished runs are kept: a second call trains nothing, an interrupted one goes on where it stopped.",
    )
    parser.add_argument(
        "--networks",
        default="rnn,lstm,gru",
        help="separated by commas: cells, transformer, tcn; my_cells.py:Mine for yours",
    )
    parser.add_argument("--tasks", default=",".join(TASKS), help="presets of configs/experiment/compare")
    parser.add_argument("--seeds", type=int, help="members per run, instead of what the presets say")
    parser.add_argument("--runs", default="runs", help="the folder of all runs")
    parser.add_argument("--sweep", default="compare", help="the folder of this comparison in it")
    options = parser.parse_args(argv)

    from gru_lab.commandline import guarded, one_device_a_core, train_all
    from gru_lab.composition import compose, numbered

    status: list[int] = []

    def compare() -> None:
        one_device_a_core()
        arguments = [
            f"network={options.networks}",
            f"sweep={options.sweep}",
            f"paths.runs={Path(options.runs).absolute()}",
        ]
        arguments += [f"population.seeds={options.seeds}"] if options.seeds is not None else []
        jobs = []
        for task in options.tasks.split(","):
            jobs += compose("train", ["-m", f"experiment=compare/{task}", *arguments])
        started = time.perf_counter()
        train_all(numbered(jobs))
        print(f"\n{len(jobs)} runs in {time.perf_counter() - started:.0f} s\n")
        from gru_lab.reports import publish
        from gru_lab.runs import find_records

        records = find_records([job.folder / job.experiment.name for job in jobs])
        status.append(publish(records, jobs[0].folder / "report", statistics=True))

    return guarded(compare) or status[0]
