"""`gru-lab gradients`: see `gru_lab/programs/gradients.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("gradients")
