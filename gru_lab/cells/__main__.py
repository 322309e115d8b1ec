"""`python -m gru_lab.cells`: see gru_lab.card."""

from gru_lab.card import main
from gru_lab.exits import leave

if __name__ == "__main__":
    leave(main)
