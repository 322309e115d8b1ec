"""`gru-lab compare`: see `gru_lab/programs/compare.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("compare")
