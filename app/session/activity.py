"""The threads beside the window's, their activities, and the subjects of tasks."""

from __future__ import annotations

from enum import Enum


class Activity(Enum):
    """The activity of a runner; WORKING is that of a task which needs none of its own."""

    NONE = "none"
    STARTING = "starting"
    OPENING = "opening"
    SCANNING = "scanning"
    PREPARING = "preparing"
    TRAINING = "training"
    STOPPING = "stopping"
    SAVING = "saving"
    CLEARING = "clearing"
    WORKING = "working"


TRAINING_ACTIVITIES = frozenset({Activity.PREPARING, Activity.TRAINING, Activity.STOPPING})


class Runner(Enum):
    """A thread for tasks."""

    WORK = "work"
    LISTEN = "listen"


class Subject(Enum):
    """The subject of a task; it decides who shows its problem, and who waits for its end.

    The problem of OTHER is shown like that of a training, above the curve, and nobody waits for it.
    """

    ENGINE = "engine"
    MODEL = "model"
    SOUNDS = "sounds"
    TRAINING = "training"
    SAVING = "saving"
    VERSIONS = "versions"
    RUNS = "runs"
    WEIGHTS = "weights"
    CACHE = "cache"
    OTHER = "other"
