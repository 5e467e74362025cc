"""Files beside a model that last only as long as a save: names that tell whose they are, and who may remove them.

A saver holds the model's lock. Whoever holds it next therefore knows that what bears its own mark was left by a
process that died. Marks differ between computers and between users, who do not share locks.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from distill_core.folders import lock_folder

_NAME_PART = 40  # of the file's name: with all of a long one, the name would be longer than names can be
_SUFFIX = ".tmp"


@dataclass(slots=True)
class Temporary:
    """A new file beside another one, open for writing; `descriptor` is -1 once it is closed."""

    path: Path
    descriptor: int

    def close(self) -> None:
        """Close it: Windows renames no open file, and some systems tell of a failed write only now."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)


def _prefix(path: Path, kind: str) -> str:
    maker = "\0".join((platform.node(), str(lock_folder()), path.name))
    mark = sha256(os.fsencode(maker)).hexdigest()[:12]
    return f".{path.name[:_NAME_PART]}.distill-{kind}-{mark}"


def second_name(path: Path) -> Path:
    """Return an unused name beside a file, under which it, or another, can wait to be renamed."""
    return path.with_name(f"{_prefix(path, 'save')}-{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}")


def swap_name(path: Path) -> Path:
    """Return the one name under which a file waits while it changes places with its backup."""
    return path.with_name(f"{_prefix(path, 'swap')}{_SUFFIX}")


def older_name(path: Path) -> Path:
    """Return the one name under which a file's backup waits until a save has put a newer one in its place."""
    return path.with_name(f"{_prefix(path, 'older')}{_SUFFIX}")


@contextmanager
def temporary_beside(path: Path) -> Iterator[Temporary]:
    """Make an empty file, readable by its owner only, in the folder of `path`, and remove it unless it was renamed."""
    prefix = f"{_prefix(path, 'save')}-{os.getpid()}-"
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=path.parent)
    temporary = Temporary(Path(name), descriptor)
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.close()
        with suppress(OSError):
            os.unlink(name)


def leftovers(path: Path) -> list[Path]:
    """Return what saves of this model by this user on this computer have, or have left, in its folder."""
    prefix = f"{_prefix(path, 'save')}-"
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX)]
    return [path.with_name(name) for name in names]
