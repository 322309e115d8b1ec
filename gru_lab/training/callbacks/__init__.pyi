# Made by scripts/stubs.py.

from gru_lab.training.callbacks.callback import Callback as Callback
from gru_lab.training.callbacks.callback import Listener as Listener
from gru_lab.training.callbacks.callback import create as create
from gru_lab.training.callbacks.callback import get as get
from gru_lab.training.callbacks.callback import name_of as name_of
from gru_lab.training.callbacks.callback import names as names
from gru_lab.training.callbacks.callback import register as register
from gru_lab.training.callbacks.checkpoint import Checkpoint as Checkpoint
from gru_lab.training.callbacks.diagnostics import Diagnostics as Diagnostics
from gru_lab.training.callbacks.generalisation import Generalisation as Generalisation
from gru_lab.training.callbacks.gradient_flow import GradientFlow as GradientFlow
from gru_lab.training.callbacks.metrics import Metrics as Metrics
from gru_lab.training.callbacks.progress import Progress as Progress
from gru_lab.training.callbacks.record import Records as Records
from gru_lab.training.callbacks.status import Status as Status
from gru_lab.training.callbacks.wandb import Wandb as Wandb
