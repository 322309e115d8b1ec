"""Training: experiments, pure functions, populations, optimisers, remedies, protocols, callbacks, and `run`."""

from gru_lab.training.experiment import Experiment, Population, Training
from gru_lab.training.run import Loaded, Run, load, run

__all__ = ["Experiment", "Loaded", "Population", "Run", "Training", "load", "run"]
