"""The errors that a person can expect, as sentences: the event, then the next thing to do."""

from __future__ import annotations

from distill_core.text import printable

BUG_MESSAGE = "Something went wrong inside Distill; your files are unchanged."


class DistillError(Exception):
    """An expected failure in two sentences.

    Attributes:
        message: the event, and that nothing is lost.
        hint: the next thing to do, "" for none.
        exit_code: the exit code of the terminal program.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = printable(message), printable(hint)  # both may hold a stranger's names
        super().__init__(self.message)


class ModelFileError(DistillError):
    """A model file that is not ours, damaged, from a newer version or without a codec."""

    exit_code = 2


class DatasetError(DistillError):
    """A folder without usable sounds, or with too few of them."""

    exit_code = 2


class ConfigError(DistillError):
    """An impossible setting.

    Attributes:
        field: the name of the setting.
    """

    exit_code = 2

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.field = field


class TrainingError(DistillError):
    """Training that diverged or ran out of memory."""

    exit_code = 3


class NotEnoughMemoryError(TrainingError):
    """Too little memory, for training or for opening a file, which may be undamaged."""


class LostRankError(TrainingError):
    """Another process of a training on several is gone."""


class SaveError(DistillError):
    """A file that could not be written: disk full, no permission, changed meanwhile."""

    exit_code = 4


class ReadOnlyError(SaveError):
    """A file or folder that can be read but not written; a copy can be saved elsewhere."""


class ChangedOnDiskError(SaveError):
    """A file that another program has changed since it was opened; replacing it keeps the change as a backup."""


class WorsePriorError(SaveError):
    """A prior that is worse than the file's, or only guesses: it replaces that one only on request."""
