"""The comparison: vanilla RNN, LSTM and GRU at equal parameters on four tasks, to a table and figures."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments"))

TASKS = ("adding", "copy", "temporal_order", "digits")


def main(argv: list[str] | None = None) -> int:
    """Run what is not yet there, then print the table and say where the files are; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description=__doc__,
        epilog="Finished runs are kept: a second call trains nothing, an interrupted one goes on where it stopped.",
    )
    parser.add_argument("--cells", default="rnn,lstm,gru", help="names separated by commas; my_module:MyCell for yours")
    parser.add_argument("--tasks", default=",".join(TASKS), help="presets of configs/experiment/compare")
    parser.add_argument("--seeds", type=int, help="members a run, instead of what the presets say")
    parser.add_argument("--runs", default="runs", help="the folder of all runs")
    parser.add_argument("--sweep", default="compare", help="the folder of this comparison in it")
    options = parser.parse_args(argv)

    from gru_lab.commandline import compose, guarded

    import table
    import train

    status: list[int] = []

    def compare() -> None:
        train.one_device_a_core()
        arguments = [f"cell={options.cells}", f"sweep={options.sweep}", f"paths.runs={Path(options.runs).absolute()}"]
        arguments += [f"population.seeds={options.seeds}"] if options.seeds is not None else []
        jobs = []
        for task in options.tasks.split(","):
            jobs += compose("train", ["-m", f"experiment=compare/{task}", *arguments])[1]
        started = time.perf_counter()
        for n, job in enumerate(jobs, start=1):
            print(f"[{n}/{len(jobs)}] ", end="", flush=True)
            train.train(job)
        print(f"\n{len(jobs)} runs in {time.perf_counter() - started:.0f} s\n")
        runs = [str(job.folder / job.experiment.name) for job in jobs]
        status.append(table.main([*runs, "--out", str(jobs[0].folder / "report")]))

    return guarded(compare) or status[0]


if __name__ == "__main__":
    sys.exit(main())
