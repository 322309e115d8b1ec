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


if __name__ == "__main__":
    if os.environ.get("JAX_PLATFORMS", "cpu") == "cpu":
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)  # one core a device: members train side by side
    sys.exit(main("train", train, DOC))
