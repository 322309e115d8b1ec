# Made by scripts/stubs.py.

from gru_lab.models.budget import hidden_for as hidden_for
from gru_lab.models.budget import sized as sized
from gru_lab.models.encoder_decoder import EncoderDecoder as EncoderDecoder
from gru_lab.models.layers import Bidirectional as Bidirectional
from gru_lab.models.layers import Recurrent as Recurrent
from gru_lab.models.model import Model as Model
from gru_lab.models.model import Network as Network
from gru_lab.models.model import Spec as Spec
from gru_lab.models.model import count_parameters as count_parameters
from gru_lab.models.model import create as create
from gru_lab.models.model import get as get
from gru_lab.models.model import name_of as name_of
from gru_lab.models.model import names as names
from gru_lab.models.model import register as register
from gru_lab.models.recurrent import RecurrentModel as RecurrentModel
from gru_lab.models.tcn import TCNModel as TCNModel
from gru_lab.models.transformer import TransformerModel as TransformerModel
