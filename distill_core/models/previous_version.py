"""The version of a model file before its last save: whether there is one, its facts, and the way back to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distill_core.errors import DistillError, ModelFileError
from distill_core.files.archive_writer import saving_into
from distill_core.files.backup import backup_of, swap_with_backup
from distill_core.files.replacing import real_path
from distill_core.files.save_errors import shown, swap_error
from distill_core.models.model_file import read_checked, summary_of_file
from distill_core.models.summary import ModelSummary


def has_previous_version(model_path: str | Path) -> bool:
    """Tell whether there is a backup for the model file to change places with."""
    with suppress(OSError, RuntimeError, ValueError):  # an impossible name, or a link to itself
        return backup_of(Path(model_path).resolve()).is_file()
    return False


def read_previous_version(model_path: str | Path) -> ModelSummary:
    """Return the facts of the version before the last save.

    Raises:
        ModelFileError: there is none, or it cannot be opened; says why.
    """
    path = Path(model_path)
    if not has_previous_version(path):
        raise _no_previous_version(path)
    return summary_of_file(backup_of(path.resolve()))


def _no_previous_version(path: Path) -> ModelFileError:
    return ModelFileError(
        f"There is no version before this one of {shown(path)}.",
        f"The first save over it will keep one, as {shown(backup_of(path))}.",
    )


def restore_previous_version(model_path: str | Path) -> Path:
    """Swap a model file with the version before it, and return the real path; a second call undoes the first.

    Raises:
        ModelFileError: there is no version before it, or it would not open; nothing was changed.
        SaveError: the swap failed; both versions are still there.
    """
    with saving_into(Path(model_path)) as target:
        if not has_previous_version(target.path):
            raise _no_previous_version(target.path)
        read_checked(backup_of(target.path))
        target.check_unchanged()
        try:
            swap_with_backup(target.path)
        except OSError as error:
            raise swap_error(error, target.path, backup_of(target.path)) from error
        return target.path


@contextmanager
def naming_previous_version(path: Path) -> Iterator[None]:
    """Name the version before, if it opens, in the hint of a refusal that the body raises."""
    try:
        yield
    except ModelFileError as error:
        with suppress(DistillError):
            if has_previous_version(path):
                backup = backup_of(real_path(path))
                summary_of_file(backup)
                error.hint += f" {shown(backup)} holds the version before: distill restore {shown(path)}"
        raise
