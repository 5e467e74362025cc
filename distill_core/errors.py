"""The errors a person can expect: what happened, and what to do next."""

from __future__ import annotations

from distill_core.text import printable


class DistillError(Exception):
    """An expected failure, told in two sentences.

    Attributes:
        message: what happened, and that nothing is lost.
        hint: what to do next; empty when there is nothing to do.
        exit_code: what the terminal program exits with.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = printable(message), printable(hint)  # names in them may come from strangers
        super().__init__(self.message)


class ModelFileError(DistillError):
    """A model file that is not ours, damaged, from a newer version or without a VQ-VAE."""

    exit_code = 2


class DatasetError(DistillError):
    """A folder without usable sounds, or with too few of them."""

    exit_code = 2


class ConfigError(DistillError):
    """A setting that cannot be.

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
    """Too little memory: for training most often, but also for opening a file that nothing is wrong with."""


class SaveError(DistillError):
    """A file that could not be written: disk full, no permission, changed meanwhile."""

    exit_code = 4


class ReadOnlyError(SaveError):
    """A file, or the folder it is in, that may be read and not be written; a copy elsewhere can be saved."""


class ChangedOnDiskError(SaveError):
    """A file that another program changed since it was opened; it can be replaced, for a backup keeps the change."""


class WorsePriorError(SaveError):
    """A prior that is worse than the one in the file, or only guesses, and so does not replace it unasked."""
