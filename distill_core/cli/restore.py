"""`distill restore MODEL`: back to the version before the last save, and forward again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_core.cli.terminal import Terminal, terminal_session
from distill_core.text import LONGEST_NAME, file_name, printable

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary


def restore(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Put the version before the last save back into a model file.

    The present version becomes MODEL.bak in its place, so the same command again undoes it. A missing MODEL comes back
    as a copy of MODEL.bak.
    """
    with terminal_session(json) as terminal:
        from distill_core.models.persistence import read_summary
        from distill_core.models.previous_version import restore_previous_version

        was_there = os.path.exists(model)
        path = restore_previous_version(model)
        _say_restored(terminal, path, read_summary(path), was_there)


def _say_restored(terminal: Terminal, path: Path, summary: ModelSummary, was_there: bool) -> None:
    from distill_core.files.backup import backup_of

    kept = backup_of(path)
    terminal.emit("restored", path=path, backup=kept, has_prior=summary.has_prior, **_prior_facts(summary))
    terminal.say(f"“{file_name(path)}” is the version before again: {_prior_words(summary)}.", "green")
    if was_there:
        terminal.say(f"The version that was there is “{file_name(kept)}” now; the same command again brings it back.")
    else:
        terminal.say(f"There was no “{file_name(path)}”; “{file_name(kept)}” stays, and holds the same.")


def _prior_facts(summary: ModelSummary) -> dict[str, object]:
    metadata = summary.prior_metadata or {}
    return {"best_perplexity": summary.best_perplexity, "training_date": metadata.get("training_date")}


def _prior_words(summary: ModelSummary) -> str:
    if not summary.has_prior:
        return "without a prior"
    facts = _prior_facts(summary)
    best, date = facts["best_perplexity"], facts["training_date"]
    known = f"a prior of perplexity {best:.2f}" if isinstance(best, float) else "a prior"
    return f"{known}, trained {printable(date, LONGEST_NAME)}" if isinstance(date, str) and date else known
