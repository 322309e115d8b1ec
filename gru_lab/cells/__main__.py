"""`python -m gru_lab.cells`: see gru_lab.card."""

import sys

from gru_lab.card import main

if __name__ == "__main__":
    sys.exit(main())
