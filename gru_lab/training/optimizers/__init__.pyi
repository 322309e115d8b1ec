# Made by scripts/stubs.py.

from gru_lab.training.optimizers.adadelta import Adadelta as Adadelta
from gru_lab.training.optimizers.adagrad import Adagrad as Adagrad
from gru_lab.training.optimizers.adam import Adam as Adam
from gru_lab.training.optimizers.adamw import AdamW as AdamW
from gru_lab.training.optimizers.optimizer import Anonymous as Anonymous
from gru_lab.training.optimizers.optimizer import Optimizer as Optimizer
from gru_lab.training.optimizers.optimizer import create as create
from gru_lab.training.optimizers.optimizer import get as get
from gru_lab.training.optimizers.optimizer import name_of as name_of
from gru_lab.training.optimizers.optimizer import names as names
from gru_lab.training.optimizers.optimizer import register as register
from gru_lab.training.optimizers.rmsprop import RMSProp as RMSProp
from gru_lab.training.optimizers.sgd import SGD as SGD
