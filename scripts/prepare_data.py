"""`gru-lab prepare`: see `gru_lab/programs/prepare.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("prepare")
