"""`distill generate MODEL -o OUT`: new sound from a model, as files."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.audio.sound_format import DEFAULT_RATE, Container, Subtype
from distill_core.cli.setting_flags import given
from distill_core.cli.take_places import TakePlaces, places_of
from distill_core.cli.take_progress import TakeProgress
from distill_core.cli.terminal import Terminal, stop_on_signals, terminal_session
from distill_core.errors import ConfigError
from distill_core.events import ShouldStop, Stopped
from distill_core.generation.request import DEFAULT_SECONDS, LONGEST_SOUND_S, GenerateRequest, PromptMode
from distill_core.text import file_name

if TYPE_CHECKING:
    from distill_core.audio.export import EncodedSound
    from distill_core.generation.request import Sample
    from distill_core.models.persistence import LoadedVQModel

_MOST_RANDOM = 1_000_000  # a seed that is easily typed again
_LEAST_GAIN_DB = 0.05  # less is shown as 0.0


def generate(
    model: Annotated[Path, typer.Argument(help="The model file, with a prior.", show_default=False)],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="A file (.wav, .flac) for one take, or a folder for several.", show_default=False
        ),
    ],
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            help="The exact length, the prompt included; unless given, "
            f"{DEFAULT_SECONDS:g} s after the prompt, or that of the sound that is varied.",
        ),
    ] = None,
    until_end: Annotated[
        bool,
        typer.Option("--until-end", help=f"One sound: stop at its end, or after --seconds ({LONGEST_SOUND_S:g})."),
    ] = False,
    count: Annotated[int | None, typer.Option("--count", help="How many takes; take i has the seed SEED + i.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Above 1 for more variety, below for less.")
    ] = None,
    level_temperatures: Annotated[
        str | None,
        typer.Option("--level-temperatures", help="A further factor for each level, coarse ones first: 1,1.1,1.2."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Draw among the K likeliest codes only; 0 for all.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Draw among the likeliest codes with this share together.")
    ] = None,
    levels: Annotated[
        int | None, typer.Option("--levels", help="How many levels are heard; 1 for the coarse skeleton, 0 for all.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Chooses the take; a random one unless given.")] = None,
    prompt: Annotated[Path | None, typer.Option("--prompt", help="A sound to start from.")] = None,
    mode: Annotated[
        PromptMode | None, typer.Option("--mode", help="Continue the prompt, or vary its fine levels.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the end lead into the beginning.")] = False,
    container: Annotated[
        Container | None, typer.Option("--format", help="The format, by the name of OUT unless given.")
    ] = None,
    subtype: Annotated[
        Subtype, typer.Option("--subtype", case_sensitive=False, help="The numbers in the file.")
    ] = Subtype.PCM_24,
    rate: Annotated[int, typer.Option("--rate", help="The sample rate of the file in Hz.")] = DEFAULT_RATE,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Leave the names of sounds out of the file's tags.")
    ] = False,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write a JSON beside each take that tells how it was made.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
) -> None:
    """Make new sound with a model's prior and write it as WAV or FLAC.

    Ctrl-C stops; the takes that are written stay.
    """
    with (
        terminal_session(json) as terminal,
        stop_on_signals(terminal, "the takes that are written stay") as stop,
    ):
        request = _request(
            seconds=seconds,
            until_end=until_end,
            temperature=temperature,
            level_temperatures=_factors(level_temperatures),
            top_k=top_k,
            top_p=top_p,
            levels=levels,
            seed=secrets.randbelow(_MOST_RANDOM) if seed is None else seed,
            count=count,
            prompt=prompt,
            mode=mode,
            loop=loop,
        )
        places = places_of(output, model, request, container, subtype, rate)
        places.check(request, force, [path for path in (model, prompt) if path is not None], sidecar=sidecar)
        _run(_GenerateCommand(terminal, model, request, places, force, anonymous, sidecar), stop.is_set)


def _factors(text: str | None) -> tuple[float, ...] | None:
    """Return numbers that commas separate.

    Raises:
        ConfigError: they are none.
    """
    if text is None:
        return None
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        wanted = "It must be numbers with commas between them: 1,1.1,1.2."
        raise ConfigError("level_temperatures", f"level_temperatures cannot be “{text}”.", wanted) from error


def _request(**settings: Any) -> GenerateRequest:
    """Return the request of settings; one that is not given is None.

    Raises:
        ConfigError: an impossible setting, or one that changes nothing; names the field.
    """
    if settings["mode"] is not None and settings["prompt"] is None:
        raise ConfigError("mode", "--mode says what becomes of a prompt, and there is none.", "Add --prompt FILE.")
    return GenerateRequest(**given(settings))


@dataclass(frozen=True, slots=True)
class _GenerateCommand:
    """The arguments of `distill generate`."""

    terminal: Terminal
    model: Path
    request: GenerateRequest
    places: TakePlaces
    force: bool
    anonymous: bool
    sidecar: bool


def _load(path: Path) -> LoadedVQModel:
    """Load a model that can make sound.

    Raises:
        ModelFileError: it has no prior, one of a newer Distill, or cannot be opened.
    """
    from distill_core.generation.plan import require_prior
    from distill_core.models.persistence import load_model_v2

    loaded = load_model_v2(path)
    require_prior(loaded)
    return loaded


def _run(command: _GenerateCommand, should_stop: ShouldStop) -> None:
    loaded = _load(command.model)
    _say_start(command)
    written = list[Path]()
    try:
        for index, sample in enumerate(_takes(command, loaded, should_stop)):
            path = command.places.paths[index]
            _write(command, sample, path, index)
            written.append(path)
    except Stopped:
        pass
    command.terminal.is_done = True
    _say_done(command, written)


def _say_start(command: _GenerateCommand) -> None:
    request, form = command.request, command.places.form
    command.terminal.emit("start", model=command.model, seed=request.seed, count=request.count)
    seeds = f"seed {request.seed}" if request.count == 1 else f"seeds {request.seed} to {_last_seed(request)}"
    command.terminal.say(f"{_takes_words(request.count)} of “{file_name(command.model)}”, {seeds}.")
    if request.loop and not form.holds_loops:
        command.terminal.say("FLAC can't say where a loop is; the sound is one all the same.", "yellow")


def _last_seed(request: GenerateRequest) -> int:
    return request.seed + request.count - 1


def _takes_words(count: int) -> str:
    return f"{count} take{'s' * (count != 1)}"


def _takes(command: _GenerateCommand, loaded: LoadedVQModel, should_stop: ShouldStop) -> Iterator[Sample]:
    """Yield the takes; the bar is gone while one is written and told about.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    from distill_core.generation.generate import generate_takes

    progress = TakeProgress(command.terminal, command.request.count)
    takes = generate_takes(loaded, command.request, on_event=progress.on_event, should_stop=should_stop)
    while True:
        with progress:
            sample = next(takes, None)
        if sample is None:
            return
        yield sample


def _write(command: _GenerateCommand, sample: Sample, path: Path, index: int) -> None:
    from distill_core.generation.takes.file import write_take

    form = command.places.form
    command.places.make_folder()
    encoded = write_take(sample, command.model, path, form, anonymous=command.anonymous, replace=command.force)
    if command.sidecar:
        _write_sidecar(command, sample, path, encoded)
    command.terminal.emit("take", _facts(command, sample, encoded, path), number=index + 1, path=path)
    command.terminal.say(f"{path}: {_words(command, sample, encoded)}.", "green")
    for note in sample.notes:
        command.terminal.say(f"  {note}", "yellow")


def _write_sidecar(command: _GenerateCommand, sample: Sample, path: Path, encoded: EncodedSound) -> None:
    """Write the sidecar of a take; with --force in the place of any file of its name."""
    from distill_core.files.new_file import write_new_file
    from distill_core.generation.origin import codes_digest
    from distill_core.generation.takes.sidecar import sidecar_of, sidecar_path

    form = command.places.form
    told = sidecar_of(
        path,
        sample.request,
        command.model,
        form,
        encoded.frames / form.sample_rate,
        encoded.gain,
        origin=sample.origin,
        codes=codes_digest(sample.codes_WHQ),
        anonymous=command.anonymous,
    )
    write_new_file(sidecar_path(path), told, replace=command.force)


def _gain_db(gain: float) -> float:
    return 20 * math.log10(gain)


def _facts(command: _GenerateCommand, sample: Sample, encoded: EncodedSound, path: Path) -> dict[str, Any]:
    from distill_core.generation.takes.name import settings_words
    from distill_core.generation.takes.sidecar import sidecar_path

    form = command.places.form
    return {
        "seed": sample.seed,
        "duration_s": encoded.frames / form.sample_rate,
        "sample_rate": form.sample_rate,
        "channels": 1,
        "format": form.container.value,
        "subtype": form.subtype.value,
        "gain_db": _gain_db(encoded.gain),
        "ended": _has_ended(sample),
        "notes": list(sample.notes),
        "settings": settings_words(sample.request, command.anonymous or sample.origin.is_anonymous),
        "sidecar": sidecar_path(path) if command.sidecar else None,
    }


def _has_ended(sample: Sample) -> bool:
    """Tell whether a take's sound ended before the time was over."""
    return sample.request.until_end and bool(sample.ends)


def _words(command: _GenerateCommand, sample: Sample, encoded: EncodedSound) -> str:
    form = command.places.form
    words = f"{encoded.frames / form.sample_rate:.2f} s, mono, {form.sample_rate / 1000:g} kHz, seed {sample.seed}"
    if (lowered := -_gain_db(encoded.gain)) >= _LEAST_GAIN_DB:
        words += f"; lowered by {lowered:.1f} dB to keep the true peak at −1 dBFS"
    if sample.request.until_end:
        words += "; it ended by itself" if _has_ended(sample) else "; it did not end by itself before that"
    return words


def _say_done(command: _GenerateCommand, written: list[Path]) -> None:
    is_whole = len(written) == command.request.count
    command.terminal.emit("done", written=written, stopped_early=not is_whole)
    if not is_whole:
        command.terminal.say(f"Stopped: {len(written)} of {_takes_words(command.request.count)} written.", "yellow")
