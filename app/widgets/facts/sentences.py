"""The facts of a model file in a few sentences, for a person who makes music. Knows no widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.widgets.facts import stranger_values as read
from app.words import counted, sound_count
from distill_core.audit.record import AUDIT, audit_in, audit_words
from distill_core.audit.verdict import AuditVerdict
from distill_core.models.codec_health import CodecHealth, LevelHealth, codec_health, named_levels
from distill_core.training.prior.events import Verdict
from distill_core.training.prior.knowledge import Knowledge, measured_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distill_core.models.summary import ModelSummary

_MOST_SHOWN, _MOST_LINES = 10_000, 200  # characters, lines
_NOT_LEARNED = "It hasn't learned yet how your sounds go on: train it to make new sound."
_NEWER = "What it has learned, a newer Distill made: this one can use the model itself."
_OLDER_MEASURE = "It has learned them; an older Distill measured how well, in another way."
_UNKNOWN = "It has learned them; the file doesn't tell how well."
_UNTOLD: dict[Verdict | None, str] = {
    Verdict.CANT_TELL: "It has learned them; too little sound was kept aside to tell how well.",
    Verdict.SIBLINGS: "It has learned them; the sounds kept aside are near-copies of the others, so nobody can tell "
    "how well.",
}
_KNOWS = {
    Knowledge.NOTHING: "It knows no more of them than how common each code is.",
    Knowledge.BARELY: "It barely knows them.",
    Knowledge.A_LITTLE: "It knows them a little.",
    Knowledge.WELL: "It knows them well.",
    Knowledge.VERY_WELL: "It knows them very well.",
    Knowledge.BY_HEART: "It knows them by heart: what it makes may be copies.",
}
_KNOWS_WITHOUT_COPYING = {
    Knowledge.A_LITTLE: "It knows them a little and does not copy them.",
    Knowledge.WELL: "It knows them well and does not copy them.",
    Knowledge.VERY_WELL: "It knows them very well and does not copy them.",
}
_KNOWS_ITS_OWN_BETTER = {
    Knowledge.A_LITTLE: "It knows them a little, and those it learned from better than new ones.",
    Knowledge.WELL: "It knows them well, and those it learned from better than new ones.",
    Knowledge.VERY_WELL: "It knows them very well, and those it learned from better than new ones.",
}
_BY_VERDICT: dict[Verdict | None, dict[Knowledge, str]] = {
    Verdict.LEARNING: _KNOWS_WITHOUT_COPYING,
    Verdict.FITTING: _KNOWS_ITS_OWN_BETTER,
}
COPIES_MEAN = {
    AuditVerdict.NEW: "What it makes has no more in common with one of your sounds than these have with one another.",
    AuditVerdict.CLOSE_RELATIVES: "Some of what it makes is nearer to one of your sounds than they are to each other.",
    AuditVerdict.COPIES: "What it makes repeats your sounds, or passages of them.",
    AuditVerdict.CANT_TELL: "",
}
_POOR = "It hears sound no better than by its average, so nothing it makes can sound good."


def _made_from(summary: ModelSummary) -> str:
    rate, count = f"{summary.geometry.sample_rate / 1000:g} kHz", sound_count(summary.metadata)
    folder = read.text(summary.metadata, "dataset_name")
    if not count:
        return f"A model of sounds, {rate}."
    return f"A model of {counted(count, 'sound')} from “{folder}”, {rate}." if folder else _of_count(count, rate)


def _of_count(count: int, rate: str) -> str:
    return f"A model of {counted(count, 'sound')}, {rate}."


def _knows(summary: ModelSummary) -> str:
    """Return how well the model knows its sounds, and whether it copies them."""
    if not summary.has_prior:
        return _NOT_LEARNED
    if not summary.prior_is_readable:
        return _NEWER
    facts = summary.prior_metadata or {}
    measured, found = measured_in(facts), facts.get("verdict")
    verdict = Verdict(found) if isinstance(found, str) and found in [*Verdict] else None
    if measured.level is not Knowledge.UNTOLD:
        return _BY_VERDICT.get(verdict, {}).get(measured.level, _KNOWS[measured.level])
    unknown = _OLDER_MEASURE if measured.counts_padding and measured.perplexity is not None else _UNKNOWN
    return _UNTOLD.get(verdict, unknown)


def _copies(summary: ModelSummary) -> list[str]:
    """Return what an audit found of copies among what the model makes, what that means, and when it was."""
    record = audit_in(summary.prior_metadata or {}) if summary.has_prior and summary.prior_is_readable else None
    if record is None:
        return []
    date = read.date(read.mapping(summary.prior_metadata or {}, AUDIT), "date")
    checked = f" Checked on {date}." if date else ""
    return [audit_words(record), f"{COPIES_MEAN[record.verdict]}{checked}".strip()]


def _dead(levels: Sequence[LevelHealth]) -> str:
    if not levels:
        return ""
    return f"{named_levels(levels)} tells nothing." if len(levels) == 1 else f"{named_levels(levels)} tell nothing."


def _hardly_used(levels: Sequence[LevelHealth]) -> str:
    if not levels:
        return ""
    names = named_levels(levels)
    return f"{names} is hardly used." if len(levels) == 1 else f"{names} are hardly used."


def _health(health: CodecHealth) -> list[str]:
    poor = _POOR if health.is_no_better_than_average else ""
    return [_dead(health.dead_levels), _hardly_used(health.hardly_used_levels), poor]


def in_sentences(summary: ModelSummary) -> list[str]:
    """Return what a model is made of, how well it knows its sounds, and the faults of its levels."""
    sentences = [_made_from(summary), _knows(summary), *_copies(summary), *_health(codec_health(summary))]
    return [sentence for sentence in sentences if sentence]


def notes_of(summary: ModelSummary) -> list[str]:
    """Return the notes on a model as lines that can be shown, without those at the end that are empty."""
    lines = [read.one_line(line) for line in summary.notes[:_MOST_SHOWN].strip().split("\n")]
    return lines[:_MOST_LINES] if any(lines) else []
