"""Whether a file can be saved later: asked before hours of training, not after."""

from __future__ import annotations

import os
from pathlib import Path

from distill_core.errors import SaveError
from distill_core.models.archive_writer import real_path
from distill_core.models.save_errors import check_room, read_only, save_error
from distill_core.models.temporaries import temporary_beside

MARGIN_BYTES = 32 * 1024**2  # for a prior that is larger than the one in the file, or the first


def check_can_save(path: str | Path) -> None:
    """Check that the file at `path` (a link's target) can be replaced, or made: a file is made beside it and removed.

    There has to be room for the old file and a new one of twice its size together, and `MARGIN_BYTES`.

    Raises:
        ReadOnlyError: the file or its folder takes no writing; a copy elsewhere can be saved.
        SaveError: there is no such folder, no room, or something else that is no file.
    """
    path = real_path(Path(path))
    folder = path.parent
    if not folder.is_dir():
        raise SaveError(f"There is no folder “{folder}” to save into.", "Make it first, or choose another.")
    if path.exists() and not os.access(path, os.W_OK):
        raise read_only(path)
    try:
        with temporary_beside(path):
            pass
        check_room(path, (2 * path.stat().st_size if path.exists() else 0) + MARGIN_BYTES)
    except OSError as error:
        raise save_error(error, path) from error
