"""`gru-lab generate`: see `gru_lab/programs/generate.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("generate")
