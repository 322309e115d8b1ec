"""Train one cell on one task, or sweep over many: every run ends in a record.

`python experiments/train.py cell=gru task=adding`, or `--help`.
"""

import os
import sys

import jax

from gru_lab.commandline import main
from gru_lab.config import Job

DOC = "Train a recurrent cell on a task, for several seeds at once, and keep the record of what it reached."


def train(job: Job) -> None:
    """Run one job and say in one line what came out."""
    from gru_lab.training import run

    experiment = job.experiment
    record = run(
        experiment, job.folder, lambda folder: job.logger.open(experiment.name, job.sweep, folder, experiment.config)
    )
    values = record.values()
    reached = f"test {record.metric} {sum(values) / len(values):.4g}" if values else "diverged"
    print(
        f"{record.cell} on {record.task}: {record.solved} of {len(record.members)} solved, {reached}, "
        f"{record.parameters:,} parameters; {job.folder / experiment.name}"
    )


def one_device_a_core() -> None:
    """Let JAX see every core as a device, so that members train side by side; call it before any array is made."""
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count())


if __name__ == "__main__":
    one_device_a_core()
    sys.exit(main("train", train, DOC))
