"""Ogg page by page (RFC 3533): the links of a chain, each a sound of its own.

Recorded streams and joined files are such chains; libsndfile reads only the first link.
"""

from __future__ import annotations

from itertools import pairwise
from typing import BinaryIO

from distill_core.parts import Span

MAGIC = b"OggS"
_PAGE_HEADER_BYTES, _FLAGS, _SEGMENTS = 27, 5, 26
_BEGINS_A_STREAM = 2
_SEARCH_BYTES = 65_536


def _next_page(file: BinaryIO, position: int) -> int | None:
    """Return the begin of the next page, None after the last."""
    while True:
        file.seek(position)
        content = file.read(_SEARCH_BYTES)
        place = content.find(MAGIC)
        if place >= 0:
            return position + place
        if len(content) < _SEARCH_BYTES:
            return None
        position += len(content) - len(MAGIC) + 1


def links_of(file: BinaryIO) -> list[Span]:
    """Return the spans of a file's links; streams that begin together, such as picture and sound, are one link."""
    begins, end, is_beginning = [], 0, False
    position = _next_page(file, 0)
    while position is not None:
        file.seek(position)
        header = file.read(_PAGE_HEADER_BYTES)
        if len(header) < _PAGE_HEADER_BYTES:
            break
        begins_stream = bool(header[_FLAGS] & _BEGINS_A_STREAM)
        if begins_stream and not is_beginning:
            begins.append(position)
        is_beginning = begins_stream
        segments = file.read(header[_SEGMENTS])
        end = position + _PAGE_HEADER_BYTES + len(segments) + sum(segments)
        position = _next_page(file, end)
    return [(begin, following - begin) for begin, following in pairwise([*begins, end])]
