"""`distill audit MODEL SOUNDS…`: whether what a model makes are copies of the sounds that it learned from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.audit.record import AUDIT, AuditSettings, audit_words
from distill_core.cli.findings import Sounds, scan_sounds
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.setting_flags import given
from distill_core.cli.terminal import Terminal, stop_on_signals, terminal_session
from distill_core.errors import DistillError, NotEnoughMemoryError
from distill_core.events import ShouldStop, Stopped
from distill_core.memory import memory_in_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.audit import AuditedSample, MemorizationAudit
    from distill_core.models.persistence import LoadedVQModel

_SHOWN_FILES, _SHOWN_COPIES = 5, 5


def audit(
    model: Annotated[Path, typer.Argument(help="The model file, with a prior.", show_default=False)],
    sounds: Sounds,
    samples: Annotated[int | None, typer.Option("--samples", help="How many samples to draw and compare.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The seed of the first sample.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="As in distill generate.")] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="As in distill generate.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="As in distill generate.")] = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Leave the model file as it is.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode all sounds again, and keep no codes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, the last line of stdout.")] = False,
) -> None:
    """Draw samples, compare them with the sounds that the model learned from, and say whether they are copies.

    The verdict is saved beside the prior in the model file.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal, "nothing was changed") as stop:
        settings = AuditSettings(
            **given({"samples": samples, "seed": seed, "temperature": temperature, "top_k": top_k, "top_p": top_p})
        )
        _run(terminal, model, sounds, settings, stop.is_set, is_saved=not no_save, use_cache=not no_cache)


def _run(
    terminal: Terminal,
    path: Path,
    sources: list[Path],
    settings: AuditSettings,
    should_stop: ShouldStop,
    *,
    is_saved: bool,
    use_cache: bool,
) -> None:
    from distill_core.generation.plan import require_prior
    from distill_core.models.persistence import load_model_v2

    loaded = load_model_v2(path)
    require_prior(loaded)
    try:
        with TrainingProgress(terminal) as progress:
            dataset = scan_sounds(sources, progress, should_stop)
            found = _audited(loaded, dataset, settings, progress, should_stop, use_cache=use_cache)
    except Stopped:
        terminal.is_done = True
        terminal.say("Stopped: nothing can be told of a part of the samples, and nothing was changed.", "yellow")
        return
    terminal.is_done = True
    _say(terminal, found)
    if is_saved and found.record.lacks_sounds:
        terminal.say("Nothing was saved: name the folders and files that the prior learned from.", "yellow")
        is_saved = False
    is_saved = is_saved and _save(terminal, loaded, found)
    if is_saved:
        terminal.say(f"Saved into {path}", "green")
    terminal.print_object({**_facts(found), "saved_to": path if is_saved else None})


def audit_after_training(
    terminal: Terminal, path: Path, dataset: AudioDataset, should_stop: ShouldStop, *, use_cache: bool
) -> None:
    """Audit the prior that was just saved into a model, with the usual settings; a stop or an error leaves that out."""
    from distill_core.models.persistence import load_model_v2

    try:
        with TrainingProgress(terminal) as progress, memory_in_words("compare what it makes with the sounds"):
            loaded = load_model_v2(path)
            found = _audited(loaded, dataset, AuditSettings(), progress, should_stop, use_cache=use_cache)
    except Stopped:
        return _say_not_compared(terminal)
    except NotEnoughMemoryError:
        return _say_not_compared(terminal, "There is not enough memory for it.")
    except DistillError as error:
        return _say_not_compared(terminal, error.message)
    terminal.emit("audit", **_facts(found))
    _say(terminal, found)
    _save(terminal, loaded, found)


def _say_not_compared(terminal: Terminal, why: str = "") -> None:
    sentences = ["What it makes was not compared with the sounds.", why, "Later: distill audit"]
    terminal.say(" ".join(filter(None, sentences)), "yellow")


def _audited(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    settings: AuditSettings,
    progress: TrainingProgress,
    should_stop: ShouldStop,
    *,
    use_cache: bool,
) -> MemorizationAudit:
    from distill_core.audit.audit import audit as audit_model

    return audit_model(
        loaded, dataset, settings, on_event=progress.on_event, should_stop=should_stop, use_cache=use_cache
    )


def _save(terminal: Terminal, loaded: LoadedVQModel, found: MemorizationAudit) -> bool:
    """Save the verdict beside the prior; a file that cannot be written takes nothing away from it."""
    from distill_core.models.persistence import save_prior_facts

    try:
        save_prior_facts(loaded.path, {AUDIT: found.record.as_facts()}, expected=loaded.stamp)
    except DistillError as error:
        terminal.say(f"The verdict is not in the model file. {error.message} {error.hint}", "yellow")
        return False
    return True


def _moment(sample: AuditedSample) -> str:
    shift = f", {sample.semitones:+d} semitones" if sample.semitones else ""
    return f"seed {sample.seed}: {sample.file} at {sample.time_s:.1f} s{shift}"


def _say(terminal: Terminal, found: MemorizationAudit) -> None:
    record = found.record
    colour = {"new": "green", "copies": "red"}.get(found.verdict.value, "yellow")
    terminal.say(audit_words(record), colour)
    if found.missing:
        terminal.say(f"{found.missing} of the sounds that it learned from are not here.", "yellow")
    if found.skipped:
        terminal.say(f"{found.skipped} nearly silent samples were left out.")
    if record.leans_on:
        nearest = ", ".join(f"{each.file} ({each.samples})" for each in record.leans_on[:_SHOWN_FILES])
        terminal.say(f"Nearest sounds, by samples: {nearest}")
    for sample in [sample for sample in found.samples if sample.is_copy][:_SHOWN_COPIES]:
        terminal.say(f"  a copy, {_moment(sample)}: {sample.agreement:.0%} of its codes", "yellow")
    baseline = found.baseline
    if baseline.points:
        terminal.say(
            f"Sounds that are no copies of one another: agreement up to {baseline.agreement:.0%}, runs up to "
            f"{baseline.run:.0f} codes (99 % of {baseline.points} comparisons)."
        )


def _facts(found: MemorizationAudit) -> dict[str, Any]:
    record = found.record.as_facts()
    return record | {"samples": [asdict(sample) for sample in found.samples]}
