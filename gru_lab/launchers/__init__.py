"""Launchers: where the jobs of a command run, one kind per file; chosen by `hydra/launcher=`."""

from gru_lab.launchers.launch import launch
from gru_lab.launchers.launcher import Launcher, Outcome, Task, create, get, names, register

__all__ = ["Launcher", "Outcome", "Task", "create", "get", "launch", "names", "register"]
