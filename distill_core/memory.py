"""Too little memory: recognized in the exceptions of all libraries, and put into a sentence."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from distill_core.errors import DistillError, NotEnoughMemoryError

CLOSE_PROGRAMS = "Close other programs, then try again."
# The words of torch, the C library, C++, CUDA and its libraries, libsndfile and Windows.
_WORDS = re.compile(
    r"(can'?t|cannot|could not|failed to|unable to) (allocate|map)|(not enough|insufficient) memory|out of memory"
    r"|_STATUS_ALLOC_FAILED|bad_alloc|DefaultCPUAllocator|malloc *\(\) failed|paging file is too small"
    r"|failed to map segment",
    re.IGNORECASE,
)
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|<[^>]*>")  # a file's name may hold any of those words
_WINDOWS_CODES = (8, 14, 1455)  # not enough memory, out of memory, paging file too small


def is_short_of_memory(error: BaseException) -> bool:
    """Tell whether an exception of any library means that memory is short."""
    if isinstance(error, DistillError):
        return isinstance(error, NotEnoughMemoryError)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _WINDOWS_CODES
    return isinstance(error, MemoryError) or bool(_WORDS.search(_NAMES.sub("", str(error))))


def let_go(error: BaseException) -> None:
    """Free the variables of the frames that an exception left: its report needs memory, too."""
    traceback.clear_frames(error.__traceback__)


def give_back_cached() -> None:
    """Have torch give back the memory of graphics cards that it keeps for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def not_enough_memory(error: BaseException, to_do: str = "go on", hint: str = CLOSE_PROGRAMS) -> NotEnoughMemoryError:
    """Return the error for an exception that `is_short_of_memory`, whose frames it frees."""
    let_go(error)
    return NotEnoughMemoryError(f"There is not enough memory to {to_do}. Your files are unchanged.", hint)


@contextmanager
def memory_in_words(to_do: str, hint: str = CLOSE_PROGRAMS) -> Iterator[None]:
    """Turn a lack of memory in the body into a sentence about the work; an inner sentence passes as it is.

    Raises:
        NotEnoughMemoryError: names `to_do`, and `hint` as the next thing to do.
    """
    try:
        yield
    except NotEnoughMemoryError:
        raise
    except Exception as error:
        if not is_short_of_memory(error):
            raise
        raise not_enough_memory(error, to_do, hint) from error
