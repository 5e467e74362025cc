"""The refusals of a model file in words: readers give a reason, and the door adds the file's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distill_core.errors import ModelFileError

NONSENSE = "its list of contents makes no sense"
DAMAGED_HINT = "Nothing was changed. Open another copy of it, for example from a backup."


class DamagedFileError(Exception):
    """Bytes that are not those of a model; the message is the reason, a clause without a full stop."""


class CodeInFileError(Exception):
    """A file that asks for more than data: for a call, or for an object to be built."""


def require(condition: bool, reason: str = NONSENSE) -> None:
    """Raise `DamagedFileError` with a reason unless the condition holds."""
    if not condition:
        raise DamagedFileError(reason)


def damaged(name: str, reason: str = "") -> ModelFileError:
    """Return the error for a file that is damaged or no model."""
    why = f"{reason[:1].upper()}{reason[1:]}. " if reason else ""
    return ModelFileError(f"“{name}” can't be opened: it is damaged or not a Distill model.", f"{why}{DAMAGED_HINT}")


@contextmanager
def refusals_in_words(name: str) -> Iterator[None]:
    """Turn a reader's reason in the body into a sentence with the file's name.

    Raises:
        ModelFileError: in place of `DamagedFileError` and `CodeInFileError`.
    """
    try:
        yield
    except DamagedFileError as error:
        raise damaged(name, str(error)) from error
    except CodeInFileError as error:
        raise ModelFileError(
            f"“{name}” contains code and was not opened.",
            f"Nothing of it ({error}) was run. Only open files of people you trust; ask for one that holds data alone.",
        ) from error
