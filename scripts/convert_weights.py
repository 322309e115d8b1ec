"""`gru-lab convert`: see `gru_lab/programs/convert.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("convert")
