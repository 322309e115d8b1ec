# Made by scripts/stubs.py.

from gru_lab.training.remedies.flossing import Flossing as Flossing
from gru_lab.training.remedies.none import Nothing as Nothing
from gru_lab.training.remedies.omega import Omega as Omega
from gru_lab.training.remedies.remedy import Remedy as Remedy
from gru_lab.training.remedies.remedy import create as create
from gru_lab.training.remedies.remedy import get as get
from gru_lab.training.remedies.remedy import name_of as name_of
from gru_lab.training.remedies.remedy import names as names
from gru_lab.training.remedies.remedy import register as register
