"""Problems that are sampled and problems on data, one file per task.

>>> import jax
>>> from gru_lab import tasks
>>> task = tasks.create("adding", length=20)
>>> batch = task.sample(jax.random.key(0), batch=4)
>>> batch.inputs.shape, batch.targets.shape
((4, 20, 2), (4, 1))
>>> float(task.loss(1 + 0 * batch.targets, batch).count)  # answers that count
4.0
"""

from gru_lab.data import Batch
from gru_lab.tasks.task import Task, create, get, name_of, names, register
from gru_lab.tasks.task import exported as __getattr__

__all__ = ["Batch", "Task", "create", "get", "name_of", "names", "register"]
