"""The words of the window: names, counts, times, and the sentences on a model, its sounds and its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_core.models.architectures import prior_row
from distill_core.text import file_name, printable
from distill_core.training.prior.words import perplexity_words, verdict_in_short
from distill_core.training.words import STARTS_AFRESH, moved_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.config import PriorConfig
    from distill_core.training.run_folder.facts import UnfinishedRun

_LONGEST_NAME = 40


def shown_name(path: Path) -> str:
    """Return a file's name for a sentence: one line of visible characters, a long one without its middle."""
    return file_name(path, _LONGEST_NAME)


def shown_sources(sources: Sequence[Path]) -> str:
    """Return the place of sounds for a sentence: "kicks", or "kicks and 2 more"."""
    first = shown_name(sources[0])
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1:,} more"


def on_button(text: str) -> str:
    """Return a text for a button or a menu, with `&` doubled: Qt takes a single one for the mark of a key."""
    return text.replace("&", "&&")


def as_tooltip(text: str) -> str:
    """Return a text as a tooltip that wraps and shows HTML as it is written."""
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


def size_line(config: PriorConfig, overrides: Mapping[str, Any]) -> str:
    """Return the size of the prior to train, and its reason; `config` follows from the sounds."""
    if not prior_row(config.architecture).is_transformer:
        return f"Prior: {config.architecture}"
    network = f"{counted(overrides.get('num_layers', config.num_layers), 'layer')}, "
    network += f"{overrides.get('hidden_size', config.hidden_size)} wide"
    if "hidden_size" in overrides or "num_layers" in overrides:
        return f"Prior of your choice ({network})"
    size = {128: "Small set: small prior", 256: "Middle-sized set: middle-sized prior"}
    return f"{size.get(config.hidden_size, 'Large set: large prior')} ({network})"


def model_lines(summary: ModelSummary) -> list[str]:
    """Return the lines of the model's card below the file's name."""
    facts = f"{counted(summary.num_quantizers, 'level')} × {summary.codebook_size} codes · "
    facts += f"{summary.geometry.sample_rate / 1000:g} kHz"
    if not summary.has_prior:
        return [facts, "Prior: none yet"]
    if not summary.prior_is_readable:
        return [facts, f"Prior: “{summary.prior_architecture}”, made by a newer Distill"]
    return [facts, f"Prior: {_prior_in_short(summary)}"]


def _prior_in_short(summary: ModelSummary) -> str:
    reached, verdict = summary.perplexity, verdict_in_short((summary.prior_metadata or {}).get("verdict"))
    if reached is None:
        return verdict or "yes"
    return f"{perplexity_words(reached, counts_padding=summary.counts_padding)}{verdict and f', {verdict}'}"


def sounds_line(dataset: AudioDataset) -> str:
    """Return the line of the sounds' card below their name."""
    return f"{counted(len(dataset.files), 'sound')} · {duration(dataset.total_duration_s)}"


def cleared_text(freed_bytes: int) -> str:
    """Return the sentence on a cleared cache."""
    if not freed_bytes:
        return "The cache was empty already."
    kilobytes = freed_bytes / 1000
    size = f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.0f} kB"
    return f"Cache cleared: {size} freed."


def unfinished_detail(run: UnfinishedRun) -> str:
    """Return the advice on a training that was never saved."""
    if run.is_older:
        return "It can't be gone on with. Use Best takes its best prior, to be saved into the model."
    if run.has_ended:
        return "Use Best takes it, to be saved into the model."
    return f"Continue goes on with the sounds in {shown_sources(run.sounds)}."


def taking_place_words(run: UnfinishedRun, real_path: Path | None) -> str:
    """Return the sentence on the end of an unfinished training, or on the model's other name or place."""
    if run.model == real_path:
        return f"Train {STARTS_AFRESH}."
    return moved_words(run)


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
