"""`gru-lab translate`: see `gru_lab/programs/translate.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("translate")
