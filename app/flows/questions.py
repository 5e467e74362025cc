"""The questions of the window, in words; buttons are verbs, the destructive one is never the default."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.flows.prompts import Choice, Question
from app.presentation.comparing import compared, is_worse, kept_words, objection
from app.session.making import MakingState
from app.session.problems import Problem
from app.session.training import TrainingState
from app.times import date, local_moment
from app.words import counted, knows_line, shown_name, sound_count
from distill_core.training.prior.words import has_prior_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import ListedRun, UnfinishedRun

_WITH_A_WORSE_ONE = "Replace the prior in “{0}” with a worse one?"
_WITH_ONE_NO_BETTER = "Replace the prior in “{0}” with one that is no better?"
CANCEL = Choice("cancel", "Cancel", "reject")
_PREVIOUS_HAS_NONE = "The previous one hasn't learned your sounds yet. "
_QUIT_LOST = "Epoch {0} of {1}. What it has learned by epoch {2} ({3:.1f}) is not saved."
_QUIT_KEPT = (
    "Epoch {0} of {1}. What it has learned by epoch {2} ({3:.1f}) is not saved. "
    "Distill offers to go on with it when you open the model again."
)
_QUIT_MAKING_LOST = "Epoch {0} of {1}. The model of epoch {2} is not saved."
_QUIT_MAKING_KEPT = (
    "Epoch {0} of {1}. The model of epoch {2} is not saved. Distill offers to go on with it at the next start."
)
_CLOSE = Choice("close", "Close", "reject")


def whole_notice(title: str, detail: str, actions: Sequence[tuple[str, str]]) -> Question:
    """Show a message that the notice line cuts off, with all its (id, text) buttons."""
    choices = tuple(Choice(identity, text) for identity, text in actions)
    return Question("wholeNotice", title, detail, (*choices, _CLOSE), "close", "close")


def _known_facts(summary: ModelSummary) -> str:
    metadata = summary.prior_metadata or {}
    count, trained_at = sound_count(metadata), local_moment(metadata.get("training_date"))
    facts = [
        knows_line(summary),
        counted(count, "sound") if count else None,
        date(trained_at) if trained_at is not None else None,
    ]
    return f"{', '.join(fact for fact in facts if fact)}. "


def replace_prior(summary: ModelSummary, trained: TrainedPrior) -> Question:
    """Ask before a prior in the file is replaced by the new one; a worse one is marked."""
    if trained.objection(summary):
        return _save_worse(summary, trained)
    about = [_known_facts(summary).strip(), compared(summary, trained), kept_words(summary.path)]
    return Question(
        "replacePriorQuestion",
        has_prior_words(shown_name(summary.path)),
        " ".join(filter(None, about)),
        (Choice("copy", "Save a Copy…"), Choice("replace", "Replace", "destroy"), CANCEL),
        default="copy",
        escape="cancel",
    )


def _save_worse(summary: ModelSummary, trained: TrainedPrior) -> Question:
    title = _WITH_A_WORSE_ONE if is_worse(summary, trained) else _WITH_ONE_NO_BETTER
    return Question(
        "worsePriorQuestion",
        title.format(shown_name(summary.path)),
        f"{objection(summary, trained)} {kept_words(summary.path)}",
        (Choice("copy", "Save a Copy…"), Choice("replace", "Save Anyway", "destroy"), CANCEL),
        default="copy",
        escape="cancel",
    )


def restore_previous(model: Path, previous: ModelSummary) -> Question:
    """Ask before a model and the version before it change places."""
    held = f"The previous one: {_known_facts(previous)}" if previous.has_prior else _PREVIOUS_HAS_NONE
    return Question(
        "restoreQuestion",
        f"Restore the previous version of “{shown_name(model)}”?",
        f"{held}The present version is kept in its place, so restoring once more brings it back.",
        (Choice("restore", "Restore"), CANCEL),
        default="restore",
        escape="cancel",
    )


def discard_run(run: ListedRun) -> Question:
    """Ask before one of the listed trainings that were never saved is discarded."""
    if run.facts is not None:
        return discard_unfinished(run.facts)
    text = "It can't be read, and what it learned is in no model. This can't be undone."
    return _discard("Discard this training?", text)


def discard_unfinished(run: UnfinishedRun) -> Question:
    """Ask before a training that was never saved is discarded."""
    text = f"It reached {run.reached}, and what it learned is in no model. This can't be undone."
    return _discard(f"Discard the training into “{shown_name(run.model)}”?", text)


def _discard(title: str, text: str) -> Question:
    choices = (Choice("discard", "Discard", "destroy"), CANCEL)
    return Question("discardRunQuestion", title, text, choices, default="cancel", escape="cancel")


def remove_takes(name: str, count: int) -> Question:
    """Ask before the takes of a model are removed."""
    return Question(
        "removeTakesQuestion",
        f"Remove the takes of “{name}”?",
        f"{counted(count, 'take')}, those with a star too. This can't be undone.",
        (Choice("remove", "Remove", "destroy"), CANCEL),
        default="cancel",
        escape="cancel",
    )


def remove_all_takes() -> Question:
    """Ask before the takes of all models are removed."""
    return Question(
        "removeAllTakesQuestion",
        "Delete all takes of all models?",
        "Those with a star go too, and so do the copies that were dragged into other programs: a project that uses one "
        "where it is will miss it. This can't be undone.",
        (Choice("remove", "Delete All", "destroy"), CANCEL),
        default="cancel",
        escape="cancel",
    )


def save_first(model: Path) -> Question:
    """Ask before an unsaved prior would be lost."""
    return Question(
        "unsavedPriorQuestion",
        f"Save the prior into “{shown_name(model)}”?",
        "It will be lost if you don't save it.",
        (Choice("save", "Save"), Choice("discard", "Don't Save", "destroy"), CANCEL),
        default="save",
        escape="cancel",
    )


def save_texts(model: Path, *, can_save: bool) -> Question:
    """Ask before a name or notes that are being written would be lost."""
    save = (Choice("save", "Save"),) if can_save else ()
    return Question(
        "unsavedTextsQuestion",
        f"Save the name and notes of “{shown_name(model)}”?",
        "What you have written will be lost if you don't save it."
        if can_save
        else "They can't be saved now. What you have written will be lost if you go on.",
        (*save, Choice("discard", "Don't Save", "destroy"), CANCEL),
        default="save" if can_save else "cancel",
        escape="cancel",
    )


def quit_while_making(making: MakingState) -> Question:
    """Ask before closing ends the making of a model."""
    last, best = making.last, making.best
    keep = Choice("cancel", "Keep Making It", "reject")
    if last is None or best is None:
        text = "The first epoch is not finished, so there is nothing to save yet."
        choices: tuple[Choice, ...] = (Choice("discard", "Quit Without Saving", "destroy"),)
    else:
        sentence = _QUIT_MAKING_KEPT if making.is_kept else _QUIT_MAKING_LOST
        text = sentence.format(last.epoch, last.total_epochs, best.epoch)
        choices = (Choice("save", "Save and Quit"), Choice("discard", "Quit Without Saving", "destroy"))
    return Question("quitMakingQuestion", "Stop making the model and quit?", text, (*choices, keep), "cancel", "cancel")


def lose_model() -> Question:
    """Ask before a model is lost that could not be saved."""
    return Question(
        "unsavedModelQuestion",
        "Lose the new model?",
        "It could not be saved, and it is not kept on disk either.",
        (Choice("discard", "Lose It", "destroy"), CANCEL),
        default="cancel",
        escape="cancel",
    )


def quit_while_training(training: TrainingState) -> Question:
    """Ask before closing ends a training."""
    last, kept = training.last, training.kept_epoch
    if last is None or kept is None:
        text = "The first epoch is not finished, so there is nothing to save yet."
        choices: tuple[Choice, ...] = (Choice("discard", "Quit Without Saving", "destroy"),)
    else:
        sentence = _QUIT_KEPT if training.is_kept else _QUIT_LOST
        text = sentence.format(last.epoch, last.total_epochs, kept.epoch, kept.val_perplexity)
        choices = (Choice("save", "Save and Quit"), Choice("discard", "Quit Without Saving", "destroy"))
    keep = Choice("cancel", "Keep Training", "reject")
    return Question(
        "quitTrainingQuestion", "Stop training and quit?", text, (*choices, keep), default="cancel", escape="cancel"
    )


def _throw_away_title(training: TrainingState) -> str:
    if training.after_epoch:
        return f"Throw away what was learned since epoch {training.after_epoch}?"
    return "Throw this training away?"


def _reached(training: TrainingState) -> str:
    last = training.last
    if last is None:
        return "The first epoch is not finished."
    if last.epoch <= training.after_epoch:
        return "The first new epoch is not finished."
    return f"Epoch {last.epoch} of {last.total_epochs}, perplexity {last.val_perplexity:,.2f}."


def _left_of(training: TrainingState) -> str:
    """Return what is left of a training that is given up, in a sentence."""
    if training.former is not None:
        return "The prior that it went on from stays, and is not saved yet."
    return "The unfinished training stays as it was." if training.goes_on else "Nothing of it is kept."


def throw_training_away(training: TrainingState) -> Question:
    """Ask before a training under way is given up with all that it has learned."""
    return Question(
        "throwAwayQuestion",
        _throw_away_title(training),
        f"{_reached(training)} {_left_of(training)}",
        (Choice("discard", "Throw Away", "destroy"), Choice("cancel", "Keep Training", "reject")),
        default="cancel",
        escape="cancel",
    )


def throw_model_away(making: MakingState) -> Question:
    """Ask before a model that is being made is given up."""
    last = making.last
    reached = "The first epoch is not finished." if last is None else f"Epoch {last.epoch} of {making.total_epochs}."
    return Question(
        "throwModelAwayQuestion",
        "Throw this model away?",
        f"{reached} Nothing of it is kept.",
        (Choice("discard", "Throw Away", "destroy"), Choice("cancel", "Go On", "reject")),
        default="cancel",
        escape="cancel",
    )


def crash(problem: Problem) -> Question:
    """Report a bug, with the details for a developer."""
    return Question(
        "crashDialog",
        problem.message,
        f"{problem.hint} Please report it.",
        (Choice("copy", "Copy Details"), Choice("close", "Close", "reject")),
        default="close",
        escape="close",
        details=problem.details,
    )


def plain(identity: str, title: str, text: str, details: str = "") -> Question:
    """Show information that was asked for; `details` unfold."""
    close = Choice("close", "Close", "reject")
    return Question(identity, title, text, (close,), default="close", escape="close", details=details)
