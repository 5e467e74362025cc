"""Bytes of a `.distill` file to values: the one place that unpickles.

A file comes from strangers as often as from oneself, so it is only ever read with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill_core.errors import ModelFileError

ZIP_MAGIC = b"PK\x03\x04"
MIN_FILE_BYTES, MAX_FILE_BYTES = 1024, 4 * 1024**3
DAMAGED_HINT = "Nothing was changed. Open another copy of it, for example from a backup."


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a file was when it was opened; a save compares it to find changes by others."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


def _read_bytes(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError(f"“{path.name}” is not a file.", "Choose a file that ends in .distill.")
        if not MIN_FILE_BYTES <= status.st_size <= MAX_FILE_BYTES:
            raise ModelFileError(f"“{path.name}” can't be opened: its size is not that of a model.", DAMAGED_HINT)
        return path.read_bytes(), status
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no file “{path}”.", "Check the name; it may have moved.") from error
    except OSError as error:
        raise ModelFileError(f"“{path.name}” can't be read: {error.strerror}.", "Check its permissions.") from error


def unpack(content: bytes, name: str) -> dict[str, Any]:
    """Return the dict of plain values and CPU tensors in a file's bytes.

    Raises:
        ModelFileError: it is damaged, no model file, or holds anything but data.
    """
    damaged = f"“{name}” can't be opened: it is damaged or not a Distill model."
    if not content.startswith(ZIP_MAGIC):
        raise ModelFileError(damaged, DAMAGED_HINT)
    try:
        values = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:
        raise ModelFileError(damaged, DAMAGED_HINT) from error
    if not isinstance(values, dict):
        raise ModelFileError(damaged, DAMAGED_HINT)
    return values


def read_archive(path: Path) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's values and its stamp, both from one reading.

    Raises:
        ModelFileError: see `unpack`; also when the file is missing or unreadable.
    """
    content, status = _read_bytes(path)
    sha256 = hashlib.sha256(content).hexdigest()
    stamp = FileStamp(str(path.resolve()), status.st_size, status.st_mtime_ns, sha256)
    return unpack(content, path.name), stamp
