"""Every figure as a function that returns a matplotlib `Figure`, or draws on the axes `on` of a figure of yours.

What is drawn is given by labels, which are the names that the figure shows: of groups of members (`run(...).groups`,
`runs.find_records(...).groups`), or of the lines of a table. Colours are chosen by the networks' names unless a palette
is given. `using("paper" | "wide" | "slides")` sets the size; `files` makes PNG and PDF of a figure. The figures of the
questions that `gru-lab gradients` asks are `gru_lab.reports.questions.create(name).draw`.

>>> import matplotlib.figure, numpy
>>> yours = matplotlib.figure.Figure()
>>> left, right = yours.subplots(1, 2)
>>> norms = {"initial": 0.8 ** numpy.arange(20)[None]}
>>> two_panels("", {"vanilla": Curves("rnn", numpy.arange(20), norms)}, GRADIENTS, on=left) is yours
True
"""

from gru_lab.reports.attention import attention_figure
from gru_lab.reports.comparison_tables import profiles
from gru_lab.reports.cost import cost_figure
from gru_lab.reports.curves import learning_curves
from gru_lab.reports.film import Reel, film, frames, player_page, reel
from gru_lab.reports.gradient_flow import SCALES as GRADIENTS
from gru_lab.reports.gradient_flow import gradient_flow_figure
from gru_lab.reports.horizons import horizons
from gru_lab.reports.ladder import climbs, ladder
from gru_lab.reports.pages.generalisation import curves as generalisation_curves
from gru_lab.reports.pages.tuning import budgets
from gru_lab.reports.panels import Curves, Scales, two_panels
from gru_lab.reports.speed import speed_figure
from gru_lab.reports.style import STYLES, Palette, files, palette, using

__all__ = [
    "GRADIENTS",
    "STYLES",
    "Curves",
    "Palette",
    "Reel",
    "Scales",
    "attention_figure",
    "budgets",
    "climbs",
    "cost_figure",
    "files",
    "film",
    "frames",
    "generalisation_curves",
    "gradient_flow_figure",
    "horizons",
    "ladder",
    "learning_curves",
    "palette",
    "player_page",
    "profiles",
    "reel",
    "speed_figure",
    "two_panels",
    "using",
]
