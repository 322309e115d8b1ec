# Made by scripts/stubs.py.

from gru_lab.training.protocols.fixed import Fixed as Fixed
from gru_lab.training.protocols.optuna import Optuna as Optuna
from gru_lab.training.protocols.paper import Paper as Paper
from gru_lab.training.protocols.protocol import Protocol as Protocol
from gru_lab.training.protocols.protocol import Round as Round
from gru_lab.training.protocols.protocol import Search as Search
from gru_lab.training.protocols.protocol import Selection as Selection
from gru_lab.training.protocols.protocol import Trial as Trial
from gru_lab.training.protocols.protocol import create as create
from gru_lab.training.protocols.protocol import get as get
from gru_lab.training.protocols.protocol import name_of as name_of
from gru_lab.training.protocols.protocol import names as names
from gru_lab.training.protocols.protocol import register as register
from gru_lab.training.protocols.tuned import Tuned as Tuned
