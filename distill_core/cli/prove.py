"""`distill prove MODEL SOUNDS… --seed N`: whether a take depends on a sound, by training again without it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_core.cli.findings import Sounds, scan_sounds
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.setting_flags import given
from distill_core.cli.terminal import Terminal, stop_on_signals, terminal_session
from distill_core.errors import DatasetError
from distill_core.events import ShouldStop, Stopped
from distill_core.generation.request import DEFAULT_SECONDS, LONGEST_SOUND_S, GenerateRequest
from distill_core.text import LONGEST_NAME, file_name, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.proof import Proof
    from distill_core.generation.take_codes import TakeCodes
    from distill_core.models.persistence import LoadedVQModel

_STOPPED = "Stopped: nothing is proven, and nothing was written."


def prove(
    model: Annotated[Path, typer.Argument(help="The model file, with a prior.", show_default=False)],
    sounds: Sounds,
    seed: Annotated[int, typer.Option("--seed", help="The take's seed.", show_default=False)],
    seconds: Annotated[
        float | None, typer.Option("--seconds", help=f"The take's length; {DEFAULT_SECONDS:g} s unless given.")
    ] = None,
    until_end: Annotated[
        bool,
        typer.Option(
            "--until-end", help=f"The take is one sound, up to its end or to --seconds ({LONGEST_SOUND_S:g})."
        ),
    ] = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="As the take was made.")] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="As the take was made.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="As the take was made.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", help="The sound to leave out; the one that the take is nearest to.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode all sounds again, and keep no codes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
) -> None:
    """Prove that a take depends on a sound: train again without it, and without another one, and compare.

    Nine trainings, each as long as the model's own. Ctrl-C stops within a second; nothing is ever written.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal, "nothing is written") as stop:
        settings = {"seconds": seconds, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        request = GenerateRequest(**given({**settings, "seed": seed, "until_end": until_end}))
        _run(_ProveCommand(terminal, model, sounds, request, file, not no_cache), stop.is_set)


@dataclass(frozen=True, slots=True)
class _ProveCommand:
    """The arguments of `distill prove`."""

    terminal: Terminal
    model: Path
    sounds: list[Path]
    request: GenerateRequest
    file: str | None
    use_cache: bool


def _run(command: _ProveCommand, should_stop: ShouldStop) -> None:
    try:
        with TrainingProgress(command.terminal) as progress:
            proof = _proof(command, progress, should_stop)
    except Stopped:
        command.terminal.emit("done", stopped_early=True)
        command.terminal.say(_STOPPED, "yellow")
        return
    command.terminal.is_done = True
    _say(command.terminal, proof)


def _proof(command: _ProveCommand, progress: TrainingProgress, should_stop: ShouldStop) -> Proof:
    from distill_core.audit.proof import prove as prove_by_training
    from distill_core.generation.take_codes import draw_take
    from distill_core.models.persistence import load_model_v2

    loaded = load_model_v2(command.model)
    take = draw_take(loaded, command.request, should_stop)
    dataset = scan_sounds(command.sounds, progress, should_stop)
    suspect = command.file or _nearest(command, loaded, dataset, take, progress, should_stop)
    command.terminal.emit("start", model=command.model, seed=command.request.seed, suspect=suspect)
    name = printable(suspect, LONGEST_NAME)
    command.terminal.say(f"Take of “{file_name(command.model)}”, seed {command.request.seed}. Left out: {name}.")
    return prove_by_training(
        command.model,
        dataset,
        take.codes_WHQ,
        suspect,
        ends=take.ends,
        on_event=progress.on_event,
        should_stop=should_stop,
        use_cache=command.use_cache,
    )


def _nearest(
    command: _ProveCommand,
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    take: TakeCodes,
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> str:
    """Return the name of the sound that the take agrees with most.

    Raises:
        DatasetError: the sounds are not those of the training, or nothing of the take is heard.
        Stopped: `should_stop()` turned true.
    """
    from distill_core.audit.proof import leaned_on

    found = leaned_on(
        loaded,
        dataset,
        take.codes_WHQ,
        ends=take.ends,
        on_event=progress.on_event,
        should_stop=should_stop,
        use_cache=command.use_cache,
    )
    if found is None:
        raise DatasetError("Hardly anything of this take is heard, so it is near to no sound.", "Name one with --file.")
    return found.name


def _say(terminal: Terminal, proof: Proof) -> None:
    drops = {"drop": proof.drop, "control_drop": proof.control_drop, "spread": proof.spread}
    terminal.emit("proof", proof, depends=proof.depends, sentence=proof.sentence, **drops)
    terminal.say(proof.sentence, "green" if proof.depends else "")
    for copy in proof.copies:
        terminal.say(f"  {copy} is the same sound, and was left out with it.")
    terminal.emit("done", stopped_early=False)
