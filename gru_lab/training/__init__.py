"""Training: experiments, the pure train function, populations, optimisers, and `run` that joins them to a record."""

from gru_lab.training.experiment import Experiment, Population, Training
from gru_lab.training.run import run

__all__ = ["Experiment", "Population", "Training", "run"]
