"""`gru-lab sweep`: see `gru_lab/programs/sweep.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("sweep")
