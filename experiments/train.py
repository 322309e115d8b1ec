"""`gru-lab train`: see `gru_lab/programs/train.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("train")
