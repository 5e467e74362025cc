"""`distill export MODEL --as neutone`: a model as the file of another program."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from distill_core.cli.terminal import check_output, stop_on_signals, terminal_session
from distill_core.events import Stopped
from distill_core.text import file_name


class Program(StrEnum):
    """A program that models can be written for."""

    NEUTONE = "neutone"


def export(
    model: Annotated[Path, typer.Argument(help="The model file; it has a prior.", show_default=False)],
    program: Annotated[Program, typer.Option("--as", help="Which program: neutone is Neutone Gen, a VST3 and AU.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file (.nm) to write.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write a model as a file of Neutone Gen, a plugin for DAWs, which then makes its takes without Distill.

    It has the knobs length, variety, focus and seed, and makes the takes of `distill generate`. It was run in torch
    alone, not in the real plugin. It needs the extra neutone, which is the SDK that makes such files.
    """
    with terminal_session(json) as terminal:
        from distill_core.export.neutone import SUFFIX, export_neutone
        from distill_core.export.plugin_words import NOT_RUN_YET

        check_output(output, force, SUFFIX)

        with stop_on_signals(terminal, "nothing is written") as stop:
            try:
                path = export_neutone(model, output, replace=force, should_stop=stop.is_set)
            except Stopped:
                terminal.say("Stopped; nothing was written.", "yellow")
                raise typer.Exit(0) from None
        terminal.say(f"Plugin's model written: {file_name(path)}", "green")
        terminal.say(NOT_RUN_YET)
        terminal.print_object({"model": model, "path": path, "bytes": path.stat().st_size, "run_in_plugin": False})
