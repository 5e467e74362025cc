"""A model's card as plain facts: its sounds, its settings, its numbers; each value checked, for a stranger wrote it."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from distill_core.models.codec_health import codec_health
from distill_core.models.sounds_list import LearnedSound, learned_sounds, total_of
from distill_core.models.value_reader import known_number
from distill_core.papers.markdown import one_line
from distill_core.software import software
from distill_core.text import LONGEST_NAME
from distill_core.training.prior.words import end_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_MOST_NOTES, _MOST_LINES, _MOST_TAGS, _MOST_SETTINGS, _MOST_LEVELS = 10_000, 200, 20, 64, 32
_SETTING = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}")
# Of settings in words these alone: a stranger's could be the path of a folder.
_IN_WORDS = ("architecture", "device", "effort", "format", "optimizer")
_NO_SETTINGS = ("licence", "validation_files", "sounds")
_NUMBERS = ("best_perplexity", "temperature", "sibling_agreement")
_COUNTS = ("kept_epoch", "best_epoch", "epochs_trained")
_WORDS = ("verdict", "run_verdict", "kept", "ended", "training_date")
_AUDIT_NUMBERS = ("copy_rate", "z", "samples", "compared")


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return one_line(value, LONGEST_NAME) if isinstance(value, str) else ""


def _number(values: Mapping[str, Any], key: str) -> float | int | None:
    value = values.get(key)
    return value if known_number(value) is not None and isinstance(value, int | float) else None


def _count(values: Mapping[str, Any], key: str) -> int | None:
    value = _number(values, key)
    return value if isinstance(value, int) and value > 0 else None


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def _sound(sound: LearnedSound, anonymous: bool) -> dict[str, Any]:
    told = {"digest": sound.digest, "duration_s": sound.duration_s, "held_out": sound.held_out}
    return told if anonymous or not sound.name else told | {"name": sound.name}


def _learned_from(list_in: Mapping[str, Any], counts_in: Mapping[str, Any], anonymous: bool) -> dict[str, Any]:
    """Return the sounds of a training: each of them, or of an older file their number alone."""
    sounds = learned_sounds(list_in)
    total = total_of(sounds)
    seconds = total.seconds if sounds else _number(counts_in, "dataset_total_duration_s")
    return {
        "count": total.count if sounds else _count(counts_in, "dataset_file_count"),
        "seconds": seconds if seconds is not None and seconds > 0 else None,
        "held_out": total.held_out if sounds else None,
        "folder": "" if anonymous else _text(counts_in, "dataset_name"),
        "sounds": [_sound(sound, anonymous) for sound in sounds],
    }


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are numbers, yes or no, or a known word."""
    known: dict[str, Any] = {}
    for key, value in config.items():
        if not _SETTING.fullmatch(key) or key in _NO_SETTINGS or len(known) == _MOST_SETTINGS:
            continue
        if isinstance(value, bool) or _number(config, key) is not None:
            known[key] = value
        elif key in _IN_WORDS and isinstance(value, str):
            known[key] = one_line(value, LONGEST_NAME)
    return known


def _codec(summary: ModelSummary) -> dict[str, Any]:
    return {
        "codec": one_line(summary.codec_words),
        "levels": summary.num_quantizers,
        "codes": summary.codebook_size,
        "positions": summary.positions_words,
        "sample_rate": summary.geometry.sample_rate,
        "parameters": summary.parameters,
        "trained": _text(summary.metadata, "training_date"),
        "verdicts": list(codec_health(summary).verdicts),
        "settings": _settings(summary.training_config),
    }


def _prior(summary: ModelSummary) -> dict[str, Any] | None:
    if not summary.has_prior:
        return None
    config = summary.prior_config or {}
    return {
        "architecture": one_line(summary.prior_architecture, LONGEST_NAME),
        "is_readable": summary.prior_is_readable,
        "parameters": summary.prior_parameters,
        "ends": end_words(summary.prior_has_ends),
        "settings": _settings(config),
        "numbers": _numbers(summary, summary.prior_metadata or {}),
        "audit": _audit(summary.prior_metadata or {}),
    }


def _above_zero(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _levels(facts: Mapping[str, Any], key: str) -> list[float]:
    values = facts.get(key)
    known = [known_number(value) for value in values[:_MOST_LEVELS]] if isinstance(values, list) else []
    return [value for value in known if value is not None] if None not in known else []


def _numbers(summary: ModelSummary, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a prior that the file has."""
    found: dict[str, Any] = {
        "perplexity": _above_zero(summary.perplexity),
        "guessing_by_frequency": _above_zero(summary.unigram_perplexity),
        "guessing_blindly": summary.codebook_size,
        "counts_padding": summary.counts_padding,
        "level_perplexities": _levels(facts, "level_perplexities"),
        **{key: _number(facts, key) for key in _NUMBERS},
        **{key: _count(facts, key) for key in _COUNTS},
        **{key: _text(facts, key) for key in _WORDS},
    }
    return {key: value for key, value in found.items() if value is not None and value not in ("", [])}


def _interval(audit: Mapping[str, Any]) -> list[float]:
    value = audit.get("copy_rate_interval")
    known = [known_number(number) for number in value] if isinstance(value, list | tuple) and len(value) == 2 else []
    return [number for number in known if number is not None] if None not in known else []


def _audit(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the audit of a prior's takes, without the names in it; None if there was none."""
    audit = _mapping(facts, "audit")
    if not (verdict := _text(audit, "verdict")):
        return None
    found = {
        "verdict": verdict,
        **{key: _number(audit, key) for key in _AUDIT_NUMBERS},
        "copy_rate_interval": _interval(audit),
        "date": _text(audit, "date"),
        "settings": _settings(_mapping(audit, "settings")),
    }
    return {key: value for key, value in found.items() if value is not None and value not in ("", [], {})}


def _notes(summary: ModelSummary) -> list[str]:
    lines = [one_line(line) for line in summary.notes[:_MOST_NOTES].strip().split("\n")[:_MOST_LINES]]
    return lines if any(lines) else []


def _tags(values: object) -> list[str]:
    texts = values[:_MOST_TAGS] if isinstance(values, list) else []
    return [tag for text in texts if isinstance(text, str) and (tag := one_line(text, LONGEST_NAME))]


def _software() -> dict[str, str]:
    versions = {"distill": software(), "python": platform.python_version()}
    for package in ("torch", "torchaudio"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def card_facts(summary: ModelSummary, *, anonymous: bool = False) -> dict[str, Any]:
    """Return the facts of a model's card: plain values, texts printable and on one line each.

    `anonymous` names neither sound nor folder; so does the card of a model one of whose trainings was anonymous, for
    digests would tell which names are missing. The model's name, its notes, tags and licence line are its owner's
    words, and stay.
    """
    anonymous = anonymous or summary.is_anonymous
    prior_facts = summary.prior_metadata or {}
    of_prior = _learned_from(prior_facts, prior_facts, anonymous) if summary.has_prior else None
    return {
        "name": one_line(summary.name, LONGEST_NAME),
        "notes": _notes(summary),
        "licence": summary.licence,
        "tags": _tags(summary.metadata.get("tags")),
        "model_id": _text(summary.metadata, "model_id"),
        "is_anonymous": anonymous,
        "sounds_of_prior": of_prior,
        "sounds_of_codec": _learned_from(summary.training_config, summary.metadata, anonymous),
        "codec": _codec(summary),
        "prior": _prior(summary),
        "format_version": summary.version,
        "software": _software(),
    }
