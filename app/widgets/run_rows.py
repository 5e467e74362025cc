"""The words of the list of unfinished trainings: cells and a sentence for each. Knows no widget."""

from __future__ import annotations

from pathlib import Path

from app.widgets.facts.model_facts import size_in_words
from app.widgets.facts.stranger_values import local_date
from app.words import shown_name, shown_sources
from distill_core.training.run_folder.facts import STATE_WORDS, ListedRun, RunState, UnfinishedRun

TITLES = ("Model", "Sounds", "Epoch", "Best", "State", "Size", "Written")
_UNKNOWN = "–"


def cells(run: ListedRun) -> tuple[str, ...]:
    """Return a training's cells, one for each title."""
    end = (STATE_WORDS[run.state].capitalize(), size_in_words(run.size_bytes), local_date(run.written))
    facts = run.facts
    if facts is None:
        return (*(_UNKNOWN,) * 4, *end)
    sounds = shown_sources(facts.sounds)
    return (shown_name(facts.model), sounds, facts.reached.removeprefix("epoch "), facts.best_words, *end)


def paths(run: ListedRun) -> tuple[str, str]:
    """Return the paths of model and sounds, as they were at the training."""
    return ("", "") if run.facts is None else (str(run.facts.model), "\n".join(map(str, run.facts.sounds)))


def openable(run: ListedRun) -> Path | None:
    """Return the model that offers the training when it is opened, or None."""
    has_a_model = run.facts is not None and not run.facts.kind.makes_a_model
    return run.facts.model if run.facts is not None and has_a_model and run.is_recoverable else None


def model_to_make(run: ListedRun) -> UnfinishedRun | None:
    """Return the making of a model that can be taken up again, or None."""
    makes_one = run.facts is not None and run.facts.kind.makes_a_model and run.is_recoverable
    return run.facts if makes_one else None


def note(run: ListedRun) -> str:
    """Return the advice on a training."""
    if run.state is RunState.IN_USE:
        return "A training is at it now, in another window or a terminal."
    if run.facts is None:
        return "It is damaged, or a newer Distill made it. Discard it if no newer Distill is to go on with it."
    name = shown_name(run.facts.model)
    if run.facts.kind.makes_a_model:
        if run.facts.can_go_on:
            return f"“{name}” is half made. Go on with it{', or save it as it is' if run.facts.has_best else ''}."
        return f"“{name}” is not saved. Go on to save it."
    if run.state is RunState.MODEL_GONE:
        return f"“{name}” has moved or got another name. Open it where it is now: it finds its training."
    if run.facts.can_go_on:
        return f"Open “{name}” to continue it{', or to use its best prior' if run.facts.has_best else ''}."
    return f"Open “{name}” to use its best prior."
