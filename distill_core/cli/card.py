"""`distill card MODEL`: a model card in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill_core.cli.terminal import Terminal, check_output, terminal_session
from distill_core.files.new_file import check_new_file, write_new_file


def card(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file (.md) for the card, instead of stdout.", show_default=False),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Tell of its sounds the hashes of their content alone, no names.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--licence", help="A licence line of your own; it is saved in the model, “” takes it out."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, the card among its facts.")] = False,
) -> None:
    """Write a model's card: what it was trained on, its settings, its numbers, with Hugging Face's keys.

    Without -o it goes to stdout.
    """
    with terminal_session(json) as terminal:
        if output is not None:
            check_output(output, force, ".md")
            check_new_file(output, replace=force, source=model)
        from distill_core.models.persistence import read_summary, save_metadata
        from distill_core.papers.card import card_facts
        from distill_core.papers.card_words import card_markdown

        if licence is not None:
            save_metadata(model, {"licence": licence})
        facts = card_facts(read_summary(model), anonymous=anonymous)
        text = card_markdown(facts)
        if output is not None:
            _write(terminal, output, text, model, force)
        elif not json:
            for line in text.splitlines():
                terminal.say(line)
        terminal.print_object({**facts, "card": text, "path": output})


def _write(terminal: Terminal, output: Path, text: str, model: Path, force: bool) -> None:
    path = write_new_file(output, text.encode(), replace=force, source=model)
    terminal.say(f"Card written: {path}", "green")
