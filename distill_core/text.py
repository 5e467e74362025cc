"""Names and texts of strangers, made safe for a terminal, a window and a file by one rule."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

LONGEST_NAME, LONGEST_LINE = 200, 5000  # characters; a line may hold a path, and Linux allows paths of 4096 bytes
# Control characters steer a terminal, line breaks break the line, and half a character cannot be written.
# Format characters (Cf) are invisible or turn the writing direction, so that one name looks like another.
_REPLACED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def _is_replaced(char: str) -> bool:
    return unicodedata.category(char) in _REPLACED or char in _INVISIBLE_LETTERS


def printable(text: str, most: int = LONGEST_LINE) -> str:
    """Return the text as one line of at most `most` characters, with U+FFFD for each that cannot be shown.

    A longer text loses its middle, so that a path keeps its end.
    """
    if len(text) > most:  # before the look at each character: a stranger's text may have megabytes
        end = most // 2
        text = f"{text[: most - end - 1]}…{text[len(text) - end :]}"
    if text.isprintable() and _INVISIBLE_LETTERS.isdisjoint(text):  # as nearly every text is: no look at each character
        return text
    return "".join("\ufffd" if _is_replaced(char) else char for char in text)


def file_name(path: Path, most: int = LONGEST_NAME) -> str:
    """Return a file's name, fit for a sentence; bytes that are not UTF-8 become U+FFFD."""
    return printable(os.fsencode(path.name or path).decode("utf-8", "replace"), most)
