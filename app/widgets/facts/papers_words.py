"""A model's papers in words: the sounds that it learned from, and its licence line. Knows no widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.times import duration
from app.widgets.facts import stranger_values as read
from app.words import counted
from distill_core.models.sounds_list import learned_sounds, total_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from distill_core.models.sounds_list import LearnedSound
    from distill_core.models.summary import ModelSummary

Row = tuple[str, str]

_FIRST = 5  # names that are shown
_UNNAMED = "only hashes of their content: it was trained anonymously"
_UNLISTED = "the file doesn't list them: an older Distill made it"
NO_LICENCE = "none yet; Edit Name and Notes has a line for it"


def _names(sounds: Sequence[LearnedSound]) -> str:
    names = [sound.name for sound in sounds if sound.name]
    shown, more = ", ".join(names[:_FIRST]), len(sounds) - min(_FIRST, len(names))
    return f"{shown} and {more:,} more" if more else shown


def _amount(count: int | None, seconds: float | None, kept_aside: int) -> str:
    parts = ["" if count is None else counted(count, "sound"), "" if seconds is None else duration(seconds)]
    parts.append(f"{kept_aside:,} kept aside" if kept_aside else "")
    return ", ".join(part for part in parts if part)


def _learned(label: str, list_in: Mapping[str, Any], counts_in: Mapping[str, Any], is_anonymous: bool) -> list[Row]:
    sounds = learned_sounds(list_in)
    total = total_of(sounds)
    if not sounds:
        count, seconds = (
            read.count(counts_in, "dataset_file_count"),
            read.above_zero(counts_in, "dataset_total_duration_s"),
        )
        amount = _amount(count, seconds, 0)
        return [(label, amount), ("Which sounds", _UNLISTED)] if amount else []
    which = _UNNAMED if is_anonymous or not any(sound.name for sound in sounds) else _names(sounds)
    return [(label, _amount(total.count, total.seconds, total.held_out)), ("Which sounds", which)]


def _is_the_same(first: Sequence[LearnedSound], second: Sequence[LearnedSound]) -> bool:
    return sorted(sound.digest for sound in first) == sorted(sound.digest for sound in second)


def papers_rows(summary: ModelSummary) -> list[Row]:
    """Return the sounds that a model learned from, and its licence line; the model's own only where they are others."""
    facts, config, is_anonymous = summary.prior_metadata or {}, summary.training_config, summary.is_anonymous
    of_prior = _learned("Learned from", facts, facts, is_anonymous) if summary.has_prior else []
    is_same = bool(of_prior) and _is_the_same(learned_sounds(facts), learned_sounds(config))
    of_codec = [] if is_same else _learned("Made from", config, summary.metadata, is_anonymous)
    return [*of_prior, *of_codec, ("Licence", summary.licence or NO_LICENCE)]
