"""The terminal program `distill`: one module for each command."""

from __future__ import annotations

import typer

from distill_core.cli.audit import audit
from distill_core.cli.card import card
from distill_core.cli.export import export
from distill_core.cli.generate import generate
from distill_core.cli.inspect import inspect
from distill_core.cli.prove import prove
from distill_core.cli.restore import restore
from distill_core.cli.runs import runs
from distill_core.cli.terminal import ignore_stop_signals
from distill_core.cli.train import train
from distill_core.cli.train_prior import train_prior
from distill_core.cli.verify import verify

app = typer.Typer(
    name="distill",
    help="Distill learns the sound of your own recordings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train-prior")(train_prior)
app.command("train")(train)
app.command("generate")(generate)
app.command("audit")(audit)
app.command("inspect")(inspect)
app.command("verify")(verify)
app.command("card")(card)
app.command("export")(export)
app.command("restore")(restore)
app.command("prove")(prove)
app.command("runs")(runs)


def main() -> None:
    """Run the terminal program; exit with an error's code, and with 0 also after a stop."""
    try:
        app()
    finally:
        ignore_stop_signals()
