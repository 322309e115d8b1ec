"""`gru-lab records`: see `gru_lab/programs/records.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("records")
