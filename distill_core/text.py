"""Names and texts from elsewhere, as a terminal, a window or a file can take them."""

from __future__ import annotations

import unicodedata

# Control characters steer a terminal, line breaks break the line, and half a character cannot be written at all.
_REPLACED = {"Cc", "Cs", "Zl", "Zp"}


def printable(text: str) -> str:
    """Return the text in one line, with U+FFFD for each character that cannot be shown."""
    return "".join("\ufffd" if unicodedata.category(char) in _REPLACED else char for char in text)
