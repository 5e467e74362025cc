"""The words of the window: names, counts, times, and the sentences on a model, its sounds and its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.times import duration, rough_duration
from distill_core.audit.record import audit_in
from distill_core.audit.verdict import AuditVerdict
from distill_core.text import file_name, printable
from distill_core.training.prior.knowledge import Knowledge, Measured, measured_in
from distill_core.training.settings import Effort
from distill_core.training.words import STARTS_AFRESH, moved_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.config import PriorConfig
    from distill_core.training.run_folder.facts import UnfinishedRun

_LONGEST_NAME = 40
_MOST_SOUNDS = 10**9

IN_USE = "This model is being trained in another window."
IN_USE_DETAIL = "It can be trained here once that has ended."


def shown_name(path: Path) -> str:
    """Return a file's name for a sentence: one line of visible characters, a long one without its middle."""
    return file_name(path, _LONGEST_NAME)


def shown_sources(sources: Sequence[Path]) -> str:
    """Return the place of sounds for a sentence: "kicks", or "kicks and 2 more"."""
    first = shown_name(sources[0])
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1:,} more"


def shown_places(paths: Sequence[Path], most: int) -> list[str]:
    """Return files and folders with their folders, and after `most` of them how many more there are."""
    named = [printable(str(path)) for path in paths[:most]]
    return [*named, f"and {len(paths) - most:,} more"] if len(paths) > most else named


def on_button(text: str) -> str:
    """Return a text for a button or a menu, with `&` doubled: Qt takes a single one for the mark of a key."""
    return text.replace("&", "&&")


def as_tooltip(text: str) -> str:
    """Return a text as a tooltip that wraps and shows HTML as it is written."""
    return f"<p>{escape(printable(text))}</p>" if text else ""


def counted(count: int, noun: str) -> str:
    """Return "1 sound" or "24 sounds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# Effort and time

_EFFORTS = {Effort.QUICK: "Quick", Effort.NORMAL: "Normal", Effort.THOROUGH: "Thorough"}
EFFORT_TIPS = {
    Effort.QUICK: "For a first impression: a smaller network that gives up sooner. A model takes a third.",
    Effort.NORMAL: "What suits the number of your sounds.",
    Effort.THOROUGH: "For the final model: a larger network, with more patience. A model takes three times as long.",
}
TIME_LIMIT_TIP = "Each training ends then, that of a model too, and keeps the best it has reached."


def effort_line(effort: Effort, seconds: float | None) -> str:
    """Return the name of an effort, with its likely duration where that is known."""
    return _EFFORTS[effort] if seconds is None else f"{_EFFORTS[effort]} · {rough_duration(seconds)}"


def time_limit_words(minutes: float) -> str:
    """Return a time limit as "15 minutes" or "2 hours", "none" for 0."""
    if not minutes:
        return "none"
    if minutes > 60 and not minutes % 60:
        return f"{minutes / 60:g} hours"
    return "1 minute" if minutes == 1 else f"{minutes:g} minutes"


# Model and sounds

_SET_SIZES = {128: "A small set", 256: "A middle-sized set"}
_KNOWS = {
    Knowledge.UNTOLD: "Has learned your sounds ({0})",
    Knowledge.NOTHING: "Knows no more than how common each code is",
    Knowledge.BARELY: "Barely knows your sounds ({0})",
    Knowledge.A_LITTLE: "Knows your sounds a little ({0})",
    Knowledge.WELL: "Knows your sounds well ({0})",
    Knowledge.VERY_WELL: "Knows your sounds very well ({0})",
    Knowledge.BY_HEART: "Knows your sounds by heart ({0})",
}
_KNOWS_IN_SHORT = {
    Knowledge.UNTOLD: "Has learned them",
    Knowledge.NOTHING: "Knows nothing",
    Knowledge.BARELY: "Hardly knows them",
    Knowledge.A_LITTLE: "Knows a little",
    Knowledge.WELL: "Knows them well",
    Knowledge.VERY_WELL: "Knows very well",
    Knowledge.BY_HEART: "Knows by heart",
}
_COPIES, _COPIES_IN_SHORT = "Copies your sounds ({0})", "Copies them"
KNOWS_NOTHING_YET_IN_SHORT = "Not trained yet"
_NEEDS_A_NEWER_ONE_IN_SHORT = "Too new to read"
LEARNING, LEARNING_IN_SHORT = "Is learning your sounds…", "Learning…"
KNOWS_NOTHING_YET = "Hasn't learned your sounds yet"
_BY_AN_OLDER_MEASURE = "Has learned your sounds ({0}, by an older measure)"
_HAS_LEARNED = "Has learned your sounds"
_KNOWS_BY_HEART = "Knows your sounds by heart"
NEEDS_A_NEWER_ONE = "A newer Distill taught it your sounds"


def out_of(perplexity: float, codes: int) -> str:
    """Return a perplexity beside the number of codes: "9.2 of 128"."""
    return f"{perplexity:.1f} of {codes:,}"


def knows_line(summary: ModelSummary) -> str:
    """Return how well a model knows its sounds, on its chip."""
    if not summary.has_prior:
        return KNOWS_NOTHING_YET
    if not summary.prior_is_readable:
        return NEEDS_A_NEWER_ONE
    return knows_of(summary.prior_metadata or {}, summary.codebook_size)


def knows_in_short(summary: ModelSummary) -> str:
    """Return how well a model knows its sounds, where its chip has hardly any room."""
    if not summary.has_prior:
        return KNOWS_NOTHING_YET_IN_SHORT
    if not summary.prior_is_readable:
        return _NEEDS_A_NEWER_ONE_IN_SHORT
    return knows_of_in_short(summary.prior_metadata or {})


def makes_copies(facts: Mapping[str, Any]) -> bool:
    """Tell whether an audit found that what a prior makes copies its sounds."""
    record = audit_in(facts)
    return record is not None and record.verdict is AuditVerdict.COPIES


def knows_of_in_short(facts: Mapping[str, Any]) -> str:
    """Return how well a prior knows its sounds, by its facts, where there is hardly any room."""
    if makes_copies(facts):
        return _COPIES_IN_SHORT
    return _KNOWS_IN_SHORT[measured_in(facts).level]


def knows_of(facts: Mapping[str, Any], codes: int) -> str:
    """Return how well a prior knows its sounds, by its facts as a file holds them; `codes` are those of a level."""
    if makes_copies(facts) and (measured := measured_in(facts)).perplexity is not None:
        return _COPIES.format(out_of(measured.perplexity, codes))
    return knows_words(measured_in(facts), codes)


def knows_words(measured: Measured, codes: int) -> str:
    """Return how well a prior knows its sounds, by its measure; `codes` are those of a level."""
    if measured.perplexity is None:
        return _KNOWS_BY_HEART if measured.level is Knowledge.BY_HEART else _HAS_LEARNED
    if measured.counts_padding and measured.level is Knowledge.UNTOLD:
        return _BY_AN_OLDER_MEASURE.format(out_of(measured.perplexity, codes))
    return _KNOWS[measured.level].format(out_of(measured.perplexity, codes))


def sound_count(facts: Mapping[str, Any]) -> int:
    """Return the number of sounds that a file tells of, 0 if it tells none."""
    count = facts.get("dataset_file_count")
    return count if type(count) is int and 0 < count < _MOST_SOUNDS else 0


def made_from_line(summary: ModelSummary) -> str:
    """Return what a model is made of: "48 kHz, made from 18 sounds"."""
    rate, count = f"{summary.geometry.sample_rate / 1000:g} kHz", sound_count(summary.metadata)
    return f"{rate}, made from {counted(count, 'sound')}" if count else rate


def model_lines(summary: ModelSummary) -> list[str]:
    """Return the lines of the model's chip below its name."""
    return [made_from_line(summary), knows_line(summary)]


def size_line(config: PriorConfig) -> str:
    """Return the size of a set of sounds, by the settings that follow from it without any choice."""
    return _SET_SIZES.get(config.hidden_size, "A large set")


def sounds_line(dataset: AudioDataset) -> str:
    """Return the line of the sounds' card below their name."""
    return f"{counted(len(dataset.files), 'sound')} · {duration(dataset.total_duration_s)}"


NAMED = "Name and notes are saved in the model."


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
        return "It can't be gone on with. Use Best takes its best epoch, to be saved into the model."
    if run.has_ended:
        return "Use Best takes it, to be saved into the model."
    return f"Continue goes on with the sounds in {shown_sources(run.sounds)}."


GOES_ON_WITH_ITS_SOUNDS = (
    "The training goes on with the sounds that it began with; what you left out or took back since is undone."
)


def taking_place_words(run: UnfinishedRun, real_path: Path | None) -> str:
    """Return the sentence on the end of an unfinished training, or on the model's other name or place."""
    if run.model == real_path:
        return f"Train {STARTS_AFRESH}."
    return moved_words(run)


PERPLEXITY_EXPLAINED = (
    "A model writes sound as codes, a few at a time. Perplexity says among how many codes it still hesitates when it "
    "guesses the next one. It is measured on sounds that are kept aside, so lower means that it knows your sounds "
    "better. Guessing blindly gives the number of codes; knowing only how common each code is gives the line that says "
    "so. “Knows your sounds well” means that of the doubt which that line leaves, at least a quarter is gone.\n\n"
    "A perplexity near 1 on few sounds is no triumph: below the dotted line the sounds are very predictable, or it "
    "knows them by heart, and what it makes may be copies. So Distill compares the sounds kept aside with as many of "
    "those that it learns from. The verdict is “memorizing” where it predicts the latter nearly without "
    "a doubt and at least three times as well; “fitting” where it predicts them better than new sounds; “learning” "
    "where hardly better. Nothing can be told where too little is kept aside, or where that is nearly a copy of the "
    "rest.\n\n"
    "Stopping a training that memorizes keeps its best epoch before that. Older versions of Distill counted silence "
    "that only fills a second as sound: their numbers compare with no newer ones."
)
