"""Names and texts from elsewhere, as a terminal, a window or a file can take them: one rule for all of them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

LONGEST_NAME, LONGEST_LINE = 200, 5000  # characters; a line may hold a path, and Linux allows paths of 4096 bytes
# Control characters steer a terminal, line breaks break the line, and half a character cannot be written at all.
# Format characters (Cf) turn the writing direction or are invisible: with them, a name looks like another one.
_REPLACED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def _is_replaced(char: str) -> bool:
    return unicodedata.category(char) in _REPLACED or char in _INVISIBLE_LETTERS


def printable(text: str, most: int = LONGEST_LINE) -> str:
    """Return the text in one line of at most `most` characters, with U+FFFD for each that cannot be shown.

    A longer one loses its middle, so that the end of a path stays.
    """
    if len(text) > most:  # first of all: a stranger's text may have megabytes
        end = most // 2
        text = f"{text[: most - end - 1]}…{text[len(text) - end :]}"
    return "".join("\ufffd" if _is_replaced(char) else char for char in text)


def file_name(path: Path, most: int = LONGEST_NAME) -> str:
    """Return a file's name as it can stand in a sentence; bytes that are not UTF-8 are U+FFFD."""
    return printable(os.fsencode(path.name or path).decode("utf-8", "replace"), most)
