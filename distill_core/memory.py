"""Too little memory, told from everything else that the exception of a library can mean."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from distill_core.errors import DistillError, NotEnoughMemoryError

CLOSE_PROGRAMS = "Close other programs, then try again."
# The words of torch, the C library, C++, CUDA, libsndfile and Windows.
_WORDS = re.compile(
    r"(can'?t|cannot|could not|failed to|unable to) (allocate|map)|(not enough|insufficient) memory|out of memory"
    r"|bad_alloc|DefaultCPUAllocator|malloc *\(\) failed|paging file is too small|failed to map segment",
    re.IGNORECASE,
)
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|<[^>]*>")  # a file may have any of those words as its name
_WINDOWS_CODES = (8, 14, 1455)


def is_short_of_memory(error: BaseException) -> bool:
    """Tell whether an exception, whoever raised it, says that there is not enough memory."""
    if isinstance(error, DistillError):
        return isinstance(error, NotEnoughMemoryError)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _WINDOWS_CODES
    return isinstance(error, MemoryError) or bool(_WORDS.search(_NAMES.sub("", str(error))))


def let_go(error: BaseException) -> None:
    """Have the frames that an exception left give up what they hold: telling of it needs memory, too."""
    traceback.clear_frames(error.__traceback__)


def not_enough_memory(error: BaseException, to_do: str = "go on", hint: str = CLOSE_PROGRAMS) -> NotEnoughMemoryError:
    """Return the words for an exception that `is_short_of_memory`."""
    let_go(error)
    return NotEnoughMemoryError(f"There is not enough memory to {to_do}. Your files are unchanged.", hint)


@contextmanager
def memory_in_words(to_do: str, hint: str = CLOSE_PROGRAMS) -> Iterator[None]:
    """Turn running out of memory into a sentence about what was to be done; who knows it better may do so inside.

    Raises:
        NotEnoughMemoryError: with `hint` as what to do next.
    """
    try:
        yield
    except NotEnoughMemoryError:
        raise
    except Exception as error:
        if not is_short_of_memory(error):
            raise
        raise not_enough_memory(error, to_do, hint) from error
