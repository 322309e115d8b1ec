"""`gru-lab reproduce`: see `gru_lab/programs/reproduce.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("reproduce")
