"""Words for what the window shows: names, counts, times, and the sentences on a model, its sounds and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.outcome import BY_AN_OLDER_MEASURE, verdict_in_short
from distill_core.text import file_name, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.config import PriorConfig
    from distill_core.training.prior.events import PriorTrainingStartEvent
    from distill_core.training.run_folder.facts import UnfinishedRun

NO_MODEL_COMMAND = "distill train FOLDER -o MODEL.distill"
_LONGEST_NAME = 40
NO_MODEL_DETAIL = f"Try the demo, or make one from your sounds in the terminal: {NO_MODEL_COMMAND}"


def shown_name(path: Path) -> str:
    """Return a file's name as it stands in a sentence: one line, all of it visible, its middle left out when long."""
    return file_name(path, _LONGEST_NAME)


def shown_sources(sources: Sequence[Path]) -> str:
    """Return where sounds are, as it stands in a sentence: "kicks", or "kicks and 2 more"."""
    first = shown_name(sources[0])
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1:,} more"


def on_button(text: str) -> str:
    """Return a text for a button or a menu, where Qt would take `&` for the mark of a key."""
    return text.replace("&", "&&")


def as_tooltip(text: str) -> str:
    """Return a text that Qt does not take for HTML, and that wraps."""
    return f"<p>{escape(printable(text))}</p>" if text else ""


def counted(count: int, noun: str) -> str:
    """Return "1 sound" or "24 sounds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return "12 s", "3 min 12 s" or "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rough_duration(seconds: float) -> str:
    """Return "less than a minute", "about 6 minutes" or "about 2 hours"."""
    if seconds < 60:
        return "less than a minute"
    if seconds < 90 * 60:
        return f"about {counted(round(seconds / 60), 'minute')}"
    return f"about {counted(round(seconds / 3600), 'hour')}"


def size_line(config: PriorConfig, overrides: dict[str, Any]) -> str:
    """Return how large a prior will be trained, and why; `config` is what follows from the sounds."""
    network = f"{overrides.get('num_layers', config.num_layers)} layers, "
    network += f"{overrides.get('hidden_size', config.hidden_size)} wide"
    if "hidden_size" in overrides or "num_layers" in overrides:
        return f"Prior of your choice ({network})"
    size = {128: "Small set: small prior", 256: "Middle-sized set: middle-sized prior"}
    return f"{size.get(config.hidden_size, 'Large set: large prior')} ({network})"


def model_lines(summary: ModelSummary) -> list[str]:
    """Return what the model card says below the file's name."""
    facts = f"{summary.num_quantizers} levels × {summary.codebook_size} codes · "
    facts += f"{summary.spectrogram.sample_rate / 1000:g} kHz"
    if not summary.has_prior:
        return [facts, "Prior: none yet"]
    if not summary.prior_is_readable:
        return [facts, f"Prior: “{summary.prior_architecture}”, made by a newer Distill"]
    return [facts, f"Prior: {_prior_in_short(summary)}"]


def _prior_in_short(summary: ModelSummary) -> str:
    reached, verdict = summary.perplexity, verdict_in_short((summary.prior_metadata or {}).get("verdict"))
    if reached is None:
        return verdict or "yes"
    mark = f" {BY_AN_OLDER_MEASURE}" if summary.counts_padding else ""
    return f"perplexity {reached:,.2f}{mark}{verdict and f', {verdict}'}"


def sounds_line(dataset: AudioDataset) -> str:
    """Return what the sounds card says below their name."""
    return f"{counted(len(dataset.files), 'sound')} · {duration(dataset.total_duration_s)}"


def backup_words(backup_name: str) -> str:
    """Return what to know when a file stops opening in the program that Distill descends from."""
    return f"The older Distill no longer opens this file; “{backup_name}” keeps it as it was until the next save."


def cleared_text(freed_bytes: int) -> str:
    """Return what clearing the cache came to."""
    if not freed_bytes:
        return "The cache was empty already."
    kilobytes = freed_bytes / 1000
    size = f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.0f} kB"
    return f"Cache cleared: {size} freed."


def unfinished_words(run: UnfinishedRun) -> tuple[str, str]:
    """Return what to say of a training that was never saved, and what can be done."""
    reached = f"epoch {run.epoch} of {run.total_epochs}, best perplexity {run.best:.2f}"
    if run.is_older:
        return (
            f"Unfinished training of an older Distill found: {reached} {BY_AN_OLDER_MEASURE}.",
            "It can't be gone on with. Use Best takes its best prior, to be saved into the model.",
        )
    if run.has_ended:
        return f"A trained prior was never saved: {reached}.", "Use Best takes it, to be saved into the model."
    return f"Unfinished training found: {reached}.", f"Continue goes on with the sounds in {shown_sources(run.sounds)}."


def taking_place_words(run: UnfinishedRun, model: Path) -> str:
    """Return what becomes of an unfinished training where another begins, or how a model that moved came by it."""
    if run.model == model.resolve():
        return "Train starts afresh and takes its place."
    return f"It was into “{shown_name(run.model)}”, which is this model by another name or in another place."


def sibling_text(event: PriorTrainingStartEvent) -> str:
    """Return what to know about how new the validation sounds are to the prior, or ""."""
    if event.sibling_agreement is None:
        return ""
    return f"Validation sounds share {event.sibling_agreement:.0%} of their codes with the nearest training sound."


PERPLEXITY_EXPLAINED = (
    "Perplexity says among how many codes the prior still hesitates when it guesses the next one. "
    "It is measured on sounds that are kept aside (validation), so lower means that it has understood your sounds "
    "better. Guessing blindly gives the number of codes; guessing by how often each code occurs, level by level, gives "
    "the line marked “by frequency”.\n\n"
    "A perplexity near 1 on few sounds is no triumph: below the dotted line the sounds are very predictable, or the "
    "prior knows them by heart, and what it makes may be copies. So Distill compares the sounds kept aside with as "
    "many of those that the prior trains on. The verdict is “memorizing” where it predicts the latter nearly without "
    "a doubt and at least three times as well; “fitting” where it predicts them better than new sounds; “learning” "
    "where hardly better. Nothing can be told where too little is kept aside, or where that is nearly a copy of the "
    "rest.\n\n"
    "Stopping a training that memorizes keeps its best epoch before that. Older versions of Distill counted silence "
    "that only fills a second as sound: their numbers compare with no newer ones."
)
