"""The floating-point operations of training, counted in the traced program: the same on every machine."""

import jax

from gru_lab.jaxprs import needed, operations, trace
from gru_lab.recurrence import Reference
from gru_lab.schema import bound
from gru_lab.training.experiment import Experiment
from gru_lab.training.train import make_program


def update_flops(experiment: Experiment, dropout: bool = True) -> int | None:
    """The floating-point operations of one update of one member; None where batches differ in length.

    Counted are the loss of a batch, its gradient, the remedy and the optimiser, as `gru_lab.jaxprs.operations` counts
    them; not counted are drawing the batch and evaluations. A cell is unrolled and differentiated as JAX does it
    (`method=reference`), whatever method trains it, so that the count is one of equations and not of an implementation:
    what a method computes twice to save memory is left out, padding behind the ends of sequences is not. A loop whose
    length is decided while it runs counts once.

    Args:
        experiment: what is trained; nothing is computed.
        dropout: whether dropout takes part.

    >>> from gru_lab import cells, tasks
    >>> small, large = (Experiment(cells.create("gru", hidden=n), tasks.create("adding", length=9)) for n in (32, 64))
    >>> round(update_flops(large) / update_flops(small), 1)
    3.8
    """
    program = make_program(bound(experiment, {"method": Reference()}), dropout)
    source, key = program.source, jax.random.key(0)
    if source.streamed:
        return None
    arrays = jax.eval_shape(source.arrays)
    batch = jax.eval_shape(lambda a: source.draw(a, key, experiment.training.batch), arrays)
    state = jax.eval_shape(lambda: program.init(key, dict.fromkeys(experiment.hyper, 1.0)))
    traced = trace(program.update, state, arrays, batch)
    return sum(map(operations, needed(traced.eqns, traced.jaxpr.outvars)))
