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
    """A thread for tasks: long work, what is made to be heard, the reading and keeping of sounds, and checks.

    A check, such as an audit, takes long and hinders no other: nobody waits for it.
    """

    WORK = "work"
    LISTEN = "listen"
    SHELF = "shelf"
    CHECK = "check"


class Subject(Enum):
    """The subject of a task; it decides who shows its problem, and who waits for its end.

    SAVING is that of a prior, NAMING of a model's name and notes, SAVING_MODEL of a new model.
    AUDIT is that of a prior's audit, NOTING of writing that down, JUDGING of the verdicts on single takes: their
    problems are shown with these. That of OTHER is shown like that of a training, above the curve, and nobody waits
    for it. That of HEARING is shown in the player, those of TAKE, of EPOCHS, the takes of kept epochs, and of SHELF
    beside the takes.
    """

    ENGINE = "engine"
    MODEL = "model"
    SOUNDS = "sounds"
    TRAINING = "training"
    MAKING = "making"
    SAVING = "saving"
    SAVING_MODEL = "savingModel"
    NAMING = "naming"
    VERSIONS = "versions"
    RUNS = "runs"
    WEIGHTS = "weights"
    CACHE = "cache"
    TAKE = "take"
    SHELF = "shelf"
    HEARING = "hearing"
    AUDIT = "audit"
    NOTING = "noting"
    JUDGING = "judging"
    PROVING = "proving"
    EPOCHS = "epochs"
    OTHER = "other"
