"""The save of a trained prior by a command: it refuses a worse one, and saves a copy beside a changed model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.cli.terminal import Terminal
from distill_core.errors import ChangedOnDiskError, DistillError, ModelFileError, SaveError, WorsePriorError
from distill_core.text import file_name
from distill_core.training.prior.words import SAVING_REPLACES, has_prior_words, known_perplexity, newer_prior_words

if TYPE_CHECKING:
    from distill_core.files.archive import FileStamp
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.saving import SavedPrior
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.folder import RunFolder


@dataclass(frozen=True, slots=True)
class PriorSaving:
    """The place that a prior is saved into: the model, or `output`.

    `replace_changed` allows replacing a file that another program changed, `save_worse` a better prior.
    """

    terminal: Terminal
    summary: ModelSummary
    run_folder: RunFolder
    output: Path | None
    replace_changed: bool
    save_worse: bool

    @property
    def is_copy(self) -> bool:
        """Whether a save leaves the model's own prior as it is."""
        output = self.output
        return output is not None and not (output.exists() and output.samefile(self.summary.path))

    def say_replacing(self) -> None:
        """Print that the model has a prior, which a save replaces."""
        summary = self.summary
        if not summary.has_prior or self.is_copy:
            return
        has_prior = has_prior_words(file_name(summary.path), known_perplexity(summary) or "perplexity unknown")
        newer = "" if summary.prior_is_readable else f" {newer_prior_words(summary.prior_architecture)}"
        self.terminal.say(f"{has_prior} {SAVING_REPLACES}{newer}", "yellow")

    def save(self, trained: TrainedPrior) -> Path:
        """Judge and save a prior, remove its run, and return the path.

        If another program changed the model, the prior goes into a copy beside it: this program's end would lose it.

        Raises:
            SaveError: it was not saved into the model or `output`; names the place where it is.
            ModelFileError: the model is gone or damaged; names the place where the prior is.
        """
        self._refuse_worse(trained)
        try:
            saved = self._save_into(self.output, trained, expected=None if self.replace_changed else self.summary.stamp)
        except ChangedOnDiskError as error:
            raise self._saved_beside(error, trained) from error
        except (SaveError, ModelFileError) as error:
            raise _naming_place(error, trained) from error
        if saved.note:
            self.terminal.say(saved.note, "yellow")
        return saved.path

    def _refuse_worse(self, trained: TrainedPrior) -> None:
        """Refuse to replace the prior in the file unasked by a worse one, or by one that only guesses.

        Raises:
            WorsePriorError: names the place where the new prior is.
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
        """Save a copy of the changed model beside it, and return the error that says so."""
        try:
            copy = self._save_beside(trained)
        except (SaveError, ModelFileError) as worse:
            return _naming_place(worse, trained)
        return ChangedOnDiskError(
            f"{error.message} The new prior is in “{file_name(copy)}” beside it.",
            "That is a copy of the changed file. --replace-changed saves into a changed file and keeps a backup.",
        )

    def _save_beside(self, trained: TrainedPrior) -> Path:
        """Save a copy of the model with the prior beside it, and remove the run.

        Raises:
            SaveError, ModelFileError: it could not be saved.
        """
        return self._save_into(free_name(self.summary.path), trained, expected=None).path

    def _save_into(self, output: Path | None, trained: TrainedPrior, *, expected: FileStamp | None) -> SavedPrior:
        from distill_core.training.prior.saving import save_and_finish

        model = self.summary.path
        return save_and_finish(trained, model, run_folder=self.run_folder, output=output, expected=expected)


def _as_it_is_now(summary: ModelSummary) -> ModelSummary:
    """Return a model's facts as they are now: another program may have put a prior into it."""
    from distill_core.models.persistence import read_summary

    try:
        return read_summary(summary.path)
    except DistillError:
        return summary  # the save will say why


def _naming_place(error: SaveError | ModelFileError, trained: TrainedPrior) -> DistillError:
    return type(error)(error.message, f"{error.hint} {_place_words(trained)}".strip())


def _place_words(trained: TrainedPrior) -> str:
    """Return where a prior is that could not be saved."""
    if trained.is_kept:
        return "The prior is kept: once that is mended, --use-best saves it."
    if trained.run_id:
        return (
            "An earlier epoch is kept: once that is mended, --resume goes on from it, --use-best saves its best prior."
        )
    return ""


def free_name(model: Path) -> Path:
    """Return a path beside the model that no file has."""
    names = (f"{model.stem} with prior{number}.distill" for number in ("", *(f" {count}" for count in range(2, 1000))))
    return next(path for name in names if not (path := model.with_name(name)).exists())
