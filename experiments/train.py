"""Train one cell on one task, or sweep over many: every run ends in a record.

`python experiments/train.py cell=gru task=adding`, or `--help`.
"""

from gru_lab.exits import leave

DOC = "Train a recurrent cell on a task, for several seeds at once, and keep the record of what it reached."


def run() -> int:
    """Run what the command line asks for; an interruption while all else is imported is one sentence, too."""
    from gru_lab.commandline import main, one_device_a_core, train

    one_device_a_core()
    return main("train", train, DOC)


if __name__ == "__main__":
    leave(run)
