"""`distill verify TAKE MODEL`: whether a model makes a take."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.cli.terminal import terminal_session

if TYPE_CHECKING:
    from distill_core.generation.takes.verify import Verification

_NOT_VERIFIED = 1  # the exit code


def verify(
    take: Annotated[Path, typer.Argument(help="A WAV or FLAC file that Distill has written.", show_default=False)],
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    prompt: Annotated[Path | None, typer.Option("--prompt", help="The sound that the take starts from.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say whether a model makes exactly the codes that a take's tags tell of, and whether the sound is theirs.

    Exit code 0: it is this model's take. 1: it is not; a sentence says why. 2: a file cannot be read.
    """
    with terminal_session(json) as terminal:
        from distill_core.generation.takes.verify import verification_words, verify_take

        found = verify_take(take, model, prompt)
        words = verification_words(found, take, model)
        terminal.say(words, "green" if found.is_verified else "yellow")
        terminal.print_object({"take": take, "model": model, **_facts(found), "message": words})
        if not found.is_verified:
            raise typer.Exit(_NOT_VERIFIED)


def _facts(found: Verification) -> dict[str, Any]:
    return {
        "verified": found.is_verified,
        "finding": found.finding.value,
        "codes_agree": found.codes_agree,
        "sound_agrees": found.sound_agrees,
        "seed": None if found.request is None else found.request.seed,
        "tags": None if found.papers is None else asdict(found.papers),
    }
