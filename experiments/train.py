"""Train one cell on one task, or sweep over many: every run ends in a record.

`python experiments/train.py cell=gru task=adding`, or `--help`.
"""

from gru_lab.commandline import main, one_device_a_core, train
from gru_lab.exits import leave

DOC = "Train a recurrent cell on a task, for several seeds at once, and keep the record of what it reached."

if __name__ == "__main__":
    one_device_a_core()
    leave(lambda: main("train", train, DOC))
