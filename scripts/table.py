"""`gru-lab table`: see `gru_lab/programs/table.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("table")
