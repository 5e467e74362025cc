"""The save of a prior, after which its run is removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill_core.errors import DistillError
from distill_core.files.archive import FileStamp
from distill_core.files.backup import backup_of
from distill_core.models.persistence import read_summary, save_prior_to_model
from distill_core.training.prior.trained import TrainedPrior
from distill_core.training.prior.words import no_longer_opens_words
from distill_core.training.run_folder.folder import RunFolder


@dataclass(frozen=True, slots=True)
class SavedPrior:
    """The file of a saved prior, and the `backup` of a file of the ancestor, which opens that alone now; else None."""

    path: Path
    backup: Path | None

    @property
    def note(self) -> str:
        """The note on a file of the ancestor that it no longer opens, or ""."""
        return "" if self.backup is None else no_longer_opens_words(self.path, self.backup)


def _comes_from_the_ancestor(path: Path) -> bool:
    try:
        return read_summary(path).comes_from_the_ancestor
    except DistillError:  # no readable model is there
        return False


def save_and_finish(
    trained: TrainedPrior,
    model: Path,
    *,
    run_folder: RunFolder,
    output: Path | None = None,
    expected: FileStamp | None = None,
) -> SavedPrior:
    """Save a prior into its model, or into a copy at `output`, and remove its run.

    `expected` is the stamp of the model file as it was opened; None saves also into a file that has changed since.

    Raises:
        ChangedOnDiskError: another program has changed the model file; it is as that program left it.
        SaveError: it could not be written; the file is unchanged, and the run is kept.
        ModelFileError: the model file cannot be opened; the run is kept.
        ValueError: there is no prior.
    """
    if trained.prior is None:
        raise ValueError("there is no prior to save")
    came_from_there = _comes_from_the_ancestor(output or model)
    path = save_prior_to_model(model, trained.prior, trained.config, trained.metadata, output=output, expected=expected)
    run_folder.discard(trained.run_id)
    is_last = came_from_there and not _comes_from_the_ancestor(path)
    return SavedPrior(path, backup_of(path) if is_last else None)
