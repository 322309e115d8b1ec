# Made by scripts/stubs.py.

from gru_lab.data import Batch as Batch
from gru_lab.tasks.adding import Adding as Adding
from gru_lab.tasks.copy import Copy as Copy
from gru_lab.tasks.digits import Digits as Digits
from gru_lab.tasks.forecast import Forecast as Forecast
from gru_lab.tasks.images import PermutedMnist as PermutedMnist
from gru_lab.tasks.images import SeqCifar10 as SeqCifar10
from gru_lab.tasks.images import SeqFashion as SeqFashion
from gru_lab.tasks.images import SeqMnist as SeqMnist
from gru_lab.tasks.music import JsbChorales as JsbChorales
from gru_lab.tasks.music import MuseData as MuseData
from gru_lab.tasks.music import Nottingham as Nottingham
from gru_lab.tasks.music import PianoMidi as PianoMidi
from gru_lab.tasks.reviews import ImdbReviews as ImdbReviews
from gru_lab.tasks.speech import SpokenDigit as SpokenDigit
from gru_lab.tasks.task import Task as Task
from gru_lab.tasks.task import create as create
from gru_lab.tasks.task import get as get
from gru_lab.tasks.task import name_of as name_of
from gru_lab.tasks.task import names as names
from gru_lab.tasks.task import register as register
from gru_lab.tasks.temporal_order import TemporalOrder as TemporalOrder
from gru_lab.tasks.text import Text as Text
from gru_lab.tasks.text import TinyShakespeare as TinyShakespeare
