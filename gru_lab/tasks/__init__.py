"""Problems that are sampled and problems on data, one file each."""

from gru_lab.tasks.task import Batch, Task, create, get, name_of, names, register

__all__ = ["Batch", "Task", "create", "get", "name_of", "names", "register"]
