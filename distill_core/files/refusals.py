"""Why a model file is not opened, in words: the readers below give the reason, the door above tells it with a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distill_core.errors import ModelFileError

NONSENSE = "its list of contents makes no sense"
DAMAGED_HINT = "Nothing was changed. Open another copy of it, for example from a backup."


class DamagedFileError(Exception):
    """The bytes are not those of a model; the message is the reason, a clause without its full stop."""


class CodeInFileError(Exception):
    """The file asks for more than data: for something to be called or built."""


def require(condition: bool, reason: str = NONSENSE) -> None:
    """Refuse a file for that reason unless the condition holds."""
    if not condition:
        raise DamagedFileError(reason)


def damaged(name: str, reason: str = "") -> ModelFileError:
    """Return the answer to a file that is damaged or none of ours."""
    why = f"{reason[:1].upper()}{reason[1:]}. " if reason else ""
    return ModelFileError(f"“{name}” can't be opened: it is damaged or not a Distill model.", f"{why}{DAMAGED_HINT}")


@contextmanager
def refusals_told(name: str) -> Iterator[None]:
    """Turn the readers' reasons into the one error that people see, with the file's name."""
    try:
        yield
    except DamagedFileError as error:
        raise damaged(name, str(error)) from error
    except CodeInFileError as error:
        raise ModelFileError(
            f"“{name}” contains code and was not opened.",
            f"Nothing of it ({error}) was run. Only open files of people you trust; ask for one that holds data alone.",
        ) from error
