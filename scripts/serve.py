"""`gru-lab serve`: see `gru_lab/programs/serve.py`."""

from gru_lab.programs import start

if __name__ == "__main__":
    start("serve")
