"""As much of a text as fits: whole facts or sentences, so that none ends in half of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_END = re.compile(r" · |(?<=[.!?]) ")  # of a fact, of a sentence
_SPACE = re.compile(r" +")
_LEAST_LETTERS = 3  # of a last word: "a" and "of" promise something


def fitted(text: str, short: str, fits: Callable[[str], bool]) -> str:
    """Return the most of a text that fits, `short` if that is less than its first fact or sentence.

    Where `short` does not fit either, or is "", return whole words of the first one and "…"; "" if none fits.
    """
    if fits(text):
        return text
    wholes = [text[: end.start()] for end in _END.finditer(text)]
    first = wholes[0] if wholes else text
    candidates = [*reversed(wholes), *([short] if short else []), *_in_words(first)]
    return next(filter(fits, candidates), "")


def _in_words(text: str) -> Iterator[str]:
    for end in reversed([*_SPACE.finditer(text)]):
        words = text[: end.start()].rstrip(" ,;:–-")
        if len(words.rpartition(" ")[2]) >= _LEAST_LETTERS:
            yield f"{words}…"
