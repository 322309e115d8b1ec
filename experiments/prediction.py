"""Does the gradient of an untrained network say how soon it will learn? A rank correlation over finished runs.

    python experiments/prediction.py runs/compare runs/vanishing_gradients

Reads every run in or under the folders (of experiments/train.py, gradients.py, scripts/compare) and correlates, within
each task and over all, the gradient horizon at initialisation and the rate of the gradient's decay with the updates to
solve the task. A member that stands in two folders counts once. Horizons after training stand beside them: no
prediction, but a check of the measure.
"""

import argparse
import shlex
import sys
from pathlib import Path

from gru_lab.commandline import guarded
from gru_lab.exits import leave


def main(argv: list[str] | None = None) -> int:
    """Print the page and write it; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUNS", help="folders of runs")
    parser.add_argument("--out", type=Path, default=Path("prediction"), help="the folder of the page (prediction)")
    options = parser.parse_args(argv)
    command = shlex.join(["python", "experiments/prediction.py", *argv])
    status: list[int] = []

    def run() -> None:
        from gru_lab.reports import publish_page
        from gru_lab.runs import find_records

        status.append(publish_page("prediction", find_records(options.folders), options.out, command=command))

    return guarded(run) or status[0]


if __name__ == "__main__":
    leave(main)
