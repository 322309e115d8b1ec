"""`python -m gru_lab.tasks`: see gru_lab.card."""

from gru_lab.card import main_of_tasks
from gru_lab.exits import leave

if __name__ == "__main__":
    leave(main_of_tasks)
