"""`gru-lab memory`: see `gru_lab/programs/memory.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("memory")
