"""The questions of the window, in words; buttons are verbs, the destructive one is never the default."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.problems import Problem
from app.prompts import Choice, Question
from app.words import counted, shown_name

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.metrics import PriorEpochMetrics

CANCEL = Choice("cancel", "Cancel", "reject")


def _date(text: object) -> str | None:
    try:
        moment = datetime.fromisoformat(str(text)).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
    return f"{moment.day} {moment:%b %Y}"


def _known_facts(summary: ModelSummary) -> str:
    metadata = summary.prior_metadata or {}
    best, count = summary.best_perplexity, metadata.get("dataset_file_count")
    facts = [
        f"Perplexity {best:.2f}" if best is not None else None,
        counted(count, "sound") if isinstance(count, int) else None,
        _date(metadata.get("training_date")),
    ]
    known = ", ".join(fact for fact in facts if fact)
    return f"{known}. " if known else ""


def replace_prior(summary: ModelSummary) -> Question:
    """Ask before a prior in the file is replaced by the new one."""
    newer = "" if summary.prior_is_readable else "It was made by a newer Distill. "
    return Question(
        "replacePriorQuestion",
        f"“{shown_name(summary.path)}” already has a prior.",
        f"{_known_facts(summary)}{newer}Saving replaces it.",
        (Choice("copy", "Save a Copy…"), Choice("replace", "Replace", "destroy"), CANCEL),
        default="copy",
        escape="cancel",
    )


def restore_previous(model: Path, previous: ModelSummary) -> Question:
    """Ask before a model and the version before it change places."""
    facts = _known_facts(previous) if previous.has_prior else ""
    held = f"It holds a prior. {facts}" if previous.has_prior else "It holds no prior. "
    return Question(
        "restoreQuestion",
        f"Restore the previous version of “{shown_name(model)}”?",
        f"{held}The present version is kept in its place, so restoring once more brings it back.",
        (Choice("restore", "Restore"), CANCEL),
        default="restore",
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


def quit_while_training(last: PriorEpochMetrics | None, best: PriorEpochMetrics | None, is_kept: bool) -> Question:
    """Ask before closing ends a training."""
    if last is None or best is None:
        text = "The first epoch is not finished, so there is nothing to save yet."
        choices: tuple[Choice, ...] = (Choice("discard", "Quit Without Saving", "destroy"),)
    else:
        text = f"Epoch {last.epoch} of {last.total_epochs}. "
        text += f"The best prior so far (perplexity {best.val_perplexity:.2f}) is not saved."
        text += " Distill offers to go on with it when you open the model again." if is_kept else ""
        choices = (Choice("save", "Save and Quit"), Choice("discard", "Quit Without Saving", "destroy"))
    keep = Choice("cancel", "Keep Training", "reject")
    return Question(
        "quitTrainingQuestion", "Stop training and quit?", text, (*choices, keep), default="cancel", escape="cancel"
    )


def crash(problem: Problem) -> Question:
    """Tell of a bug, once, with what a developer needs."""
    return Question(
        "crashDialog",
        problem.message,
        f"{problem.hint} Please report it.",
        (Choice("copy", "Copy Details"), Choice("close", "Close", "reject")),
        default="close",
        escape="close",
        details=problem.details,
        kind="error",
    )


def plain(identity: str, title: str, text: str, details: str = "") -> Question:
    """Tell something that was asked for; `details` unfold."""
    close = Choice("close", "Close", "reject")
    kind: Literal["information"] = "information"
    return Question(identity, title, text, (close,), default="close", escape="close", details=details, kind=kind)
