"""How a trained prior gets into a file from the terminal: what is judged before, and where it is when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.cli.terminal import Terminal
from distill_core.errors import ChangedOnDiskError, DistillError, ModelFileError, SaveError, WorsePriorError
from distill_core.text import file_name

if TYPE_CHECKING:
    from distill_core.files.archive import FileStamp
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.folder import RunFolder


@dataclass(frozen=True, slots=True)
class PriorSaving:
    """Where a prior goes (`output` None: into the model), and what may be replaced for it."""

    terminal: Terminal
    summary: ModelSummary
    run_folder: RunFolder
    output: Path | None
    replace_changed: bool
    save_worse: bool

    @property
    def is_copy(self) -> bool:
        """Whether a save leaves the model's own prior where it is."""
        output = self.output
        return output is not None and not (output.exists() and output.samefile(self.summary.path))

    def say_replacing(self) -> None:
        """Tell that the model has a prior, which a save replaces."""
        summary = self.summary
        if not summary.has_prior or self.is_copy:
            return
        reached = summary.perplexity
        known = f"perplexity {reached:.2f}" if reached is not None else "perplexity unknown"
        if reached is not None and summary.counts_padding:
            known += " by an older measure"
        if not summary.prior_is_readable:
            known += f", architecture “{summary.prior_architecture}” of a newer Distill"
        self.terminal.say(f"“{file_name(summary.path)}” already has a prior ({known}). Saving replaces it.", "yellow")

    def save(self, trained: TrainedPrior) -> Path:
        """Judge and save a prior, give its run up, and return where it is.

        Where another program changed the model, it goes into a copy beside it: it would end with this program.

        Raises:
            SaveError: it was not saved where it should be; tells where it is.
            ModelFileError: the model is gone or damaged; tells where the prior is.
        """
        self._refuse_worse(trained)
        before = _architecture_at(self.output or self.summary.path)
        try:
            expected = None if self.replace_changed else self.summary.stamp
            saved_to = self._save_into(self.output, trained, expected=expected)
        except ChangedOnDiskError as error:
            raise self._saved_beside(error, trained) from error
        except (SaveError, ModelFileError) as error:
            raise _with_kept_words(error, trained) from error
        self.run_folder.discard(trained.run_id)
        self._say_backup(before, trained, saved_to)
        return saved_to

    def _refuse_worse(self, trained: TrainedPrior) -> None:
        """Keep a prior that is worse than the one in the file, or only guesses, from replacing it unasked.

        Raises:
            WorsePriorError: tells where the new prior is.
        """
        if self.save_worse or self.is_copy:
            return
        objection = trained.objection(_as_it_is_now(self.summary))
        if not objection:
            return
        if trained.is_kept:
            raise WorsePriorError(
                f"{objection} Nothing was saved; the new prior is kept.",
                "--use-best --save-worse saves it into the model; --use-best --output FILE into a copy.",
            )
        copy = self._save_beside(trained)
        raise WorsePriorError(
            f"{objection} It was saved beside the model instead, as “{file_name(copy)}”.",
            "--save-worse saves such a prior into the model.",
        )

    def _saved_beside(self, error: ChangedOnDiskError, trained: TrainedPrior) -> DistillError:
        """Save a copy of the changed model beside it, and return what to tell."""
        try:
            copy = self._save_beside(trained)
        except (SaveError, ModelFileError) as worse:
            return _with_kept_words(worse, trained)
        return ChangedOnDiskError(
            f"{error.message} The new prior is in “{file_name(copy)}” beside it.",
            "That is a copy of the changed file. --replace-changed saves into a changed file and keeps a backup.",
        )

    def _save_beside(self, trained: TrainedPrior) -> Path:
        """Save a copy of the model with the prior beside it, and give the run up.

        Raises:
            SaveError, ModelFileError: it could not be saved.
        """
        copy = self._save_into(free_name(self.summary.path), trained, expected=None)
        self.run_folder.discard(trained.run_id)
        return copy

    def _save_into(self, output: Path | None, trained: TrainedPrior, *, expected: FileStamp | None) -> Path:
        from distill_core.models.persistence import save_prior_to_model

        if trained.prior is None:
            raise ValueError("there is no prior to save")
        prior = (trained.prior, trained.config, trained.metadata)
        return save_prior_to_model(self.summary.path, *prior, output=output, expected=expected)

    def _say_backup(self, before: str | None, trained: TrainedPrior, saved_to: Path) -> None:
        from distill_core.files.backup import backup_of
        from distill_core.models.persistence import ends_opening_in_the_ancestor

        if before is not None and ends_opening_in_the_ancestor(before, trained.config["architecture"]):
            name, backup = file_name(saved_to), file_name(backup_of(saved_to))
            self.terminal.say(
                f"“{name}” no longer opens in the older Distill; “{backup}” keeps it as it was, until the next save.",
                "yellow",
            )


def _as_it_is_now(summary: ModelSummary) -> ModelSummary:
    """Return a model's facts anew: another program may have put a prior into it meanwhile."""
    from distill_core.models.persistence import read_summary

    try:
        return read_summary(summary.path)
    except DistillError:
        return summary  # the save will say what is wrong


def _architecture_at(path: Path) -> str | None:
    """Return the architecture of the prior in the file that a save replaces, None where there is no model."""
    from distill_core.models.persistence import read_summary

    try:
        return read_summary(path).prior_architecture
    except DistillError:
        return None


def _with_kept_words(error: SaveError | ModelFileError, trained: TrainedPrior) -> DistillError:
    return type(error)(error.message, f"{error.hint} {_kept_words(trained)}".strip())


def _kept_words(trained: TrainedPrior) -> str:
    if trained.is_kept:
        return "The prior is kept: once that is mended, --use-best saves it."
    if trained.run_id:
        return (
            "An earlier epoch is kept: once that is mended, --resume goes on from it, --use-best saves its best prior."
        )
    return ""


def free_name(model: Path) -> Path:
    """Return a name beside the model that nothing bears."""
    names = (f"{model.stem} with prior{number}.distill" for number in ("", *(f" {count}" for count in range(2, 1000))))
    return next(path for name in names if not (path := model.with_name(name)).exists())
