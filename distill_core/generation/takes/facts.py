"""The facts of a take on disk: how it was made, and what became of it. Read back, they are a stranger's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distill_core.errors import ConfigError
from distill_core.generation.origin import Origin
from distill_core.generation.request import GenerateRequest, PromptMode, Sample
from distill_core.generation.settings import is_whole
from distill_core.generation.takes.verdict import read_verdict
from distill_core.models.sounds_list import SoundsTotal
from distill_core.text import LONGEST_NAME, file_name, printable

VERSION = 1
COPYING = "copying"  # the key of the verdict whether a take is a copy; a new take has none
LARGEST_FACTS = 1 << 20  # bytes
_MOST_NOTES, _MOST_ENDS, _LONGEST_NOTE, _LONGEST_PATH = 20, 50_000, 500, 32_768
_LONGEST_S, _LARGEST_SUM, _LARGEST_PERPLEXITY, _LARGEST_EPOCH = 86_400.0, 1e12, 1e9, 1e9
_TEXTS = ("model", "made_at", "prior_date", "codec_digest")
_SETTINGS = ("seconds", "until_end", "temperature", "top_k", "top_p", "levels", "seed", "loop")


def _settings_of(request: GenerateRequest) -> dict[str, Any]:
    settings = {name: getattr(request, name) for name in _SETTINGS}
    prompt = None if request.prompt is None else str(request.prompt.absolute())
    more = {"level_temperatures": list(request.level_temperatures), "mode": request.mode.value}
    return settings | more | {"prompt": prompt}


def _text_of(metadata: Mapping[str, Any], name: str) -> str:
    """Return a text in a model file's facts, "" for anything else that a stranger put there."""
    value = metadata.get(name)
    return printable(value, LONGEST_NAME) if isinstance(value, str) else ""


def marks_of_prior(prior_metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells a prior from others: its training's date and its codec's digest, "" for what is unknown."""
    return _text_of(prior_metadata, "training_date"), _text_of(prior_metadata, "codec_digest")


def _within(value: object, least: float, most: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return least <= value <= most  # no for NaN, too


def _reached(epoch: object, perplexity: object) -> dict[str, Any]:
    """Return how far a prior had come, 0 for what is unknown: takes of an older Distill and strangers tell nothing."""
    known_epoch = epoch if is_whole(epoch, 1) and _within(epoch, 1, _LARGEST_EPOCH) else 0
    known = perplexity if _within(perplexity, 1, _LARGEST_PERPLEXITY) else 0.0
    return {"prior_epoch": known_epoch, "prior_perplexity": known}


def _origin_facts(origin: Origin) -> dict[str, Any]:
    sounds = {"count": origin.sounds.count, "seconds": origin.sounds.seconds, "held_out": origin.sounds.held_out}
    return {"model_id": origin.model_id, "prior": origin.prior, "anonymous": origin.is_anonymous, "sounds": sounds}


def origin_in(facts: Mapping[str, Any]) -> Origin:
    """Return the origin in a take's facts; takes of an older Distill tell nothing of it."""
    sounds = facts.get("sounds")
    told = sounds if isinstance(sounds, dict) else {}
    are_counts = all(is_whole(told.get(name), 0) for name in ("count", "held_out"))
    is_known = are_counts and _within(told.get("seconds"), 0, _LARGEST_SUM)
    total = SoundsTotal(told["count"], told["seconds"], told["held_out"]) if is_known else SoundsTotal()
    is_anonymous = facts.get("anonymous") is True
    return Origin(_text_of(facts, "model_id"), _text_of(facts, "prior"), is_anonymous, total)


def facts_of(sample: Sample, gain: float, model: Path, prior_metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a new take; `gain` is the one in its file, `prior_metadata` that of the prior it is from."""
    prior_date, codec_digest = marks_of_prior(prior_metadata)
    return {
        "version": VERSION,
        "settings": _settings_of(sample.request),
        "duration_s": sample.duration_s,
        "gain": gain,
        "ends": list(sample.ends[:_MOST_ENDS]),
        "prompt_steps": sample.prompt_steps,
        "notes": list(sample.notes[:_MOST_NOTES]),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": file_name(model),
        "prior_date": prior_date,
        "codec_digest": codec_digest,
        **_reached(prior_metadata.get("kept_epoch"), prior_metadata.get("final_perplexity")),
        **_origin_facts(sample.origin),
    }


def facts_text(facts: Mapping[str, Any]) -> bytes:
    """Return facts as JSON, in ASCII: a path may have bytes that are no characters."""
    return json.dumps(facts, indent=1).encode()


def _all(values: object, most: int, holds: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) <= most and all(map(holds, values))


def _request_of(settings: Any) -> GenerateRequest:
    """Return the request of settings.

    Raises:
        ConfigError: an impossible setting; names the field.
        ValueError, TypeError, KeyError: it is of the wrong kind, or missing.
    """
    prompt, known = settings["prompt"], {name: settings[name] for name in _SETTINGS}
    for name in ("until_end", "loop"):
        if not isinstance(known[name], bool):
            raise TypeError(name)
    if prompt is not None and not (isinstance(prompt, str) and 0 < len(prompt) <= _LONGEST_PATH):
        raise TypeError("prompt")
    return GenerateRequest(
        **known,
        level_temperatures=tuple(settings["level_temperatures"]),
        mode=PromptMode(settings["mode"]),
        prompt=None if prompt is None else Path(prompt).absolute(),  # as it is written
    )


def _are_possible(facts: Mapping[str, Any]) -> bool:
    return (
        facts["version"] == VERSION
        and _within(facts["duration_s"], 0, _LONGEST_S)
        and _within(facts["gain"], 0, 1)
        and is_whole(facts["prompt_steps"], 0)
        and _all(facts["ends"], _MOST_ENDS, lambda step: is_whole(step, 0))
        and _all(facts["notes"], _MOST_NOTES, lambda note: isinstance(note, str))
        and all(isinstance(facts[name], str) for name in _TEXTS)
    )


def read_facts(text: bytes) -> tuple[dict[str, Any], GenerateRequest] | None:
    """Return facts, their texts made printable, and the request among them; None for any that are impossible."""
    try:
        facts = json.loads(text)
        request = _request_of(facts["settings"])
        if not _are_possible(facts):
            return None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, ConfigError):
        return None
    known = {name: facts[name] for name in ("duration_s", "gain", "ends", "prompt_steps")}
    known |= {name: printable(facts[name], LONGEST_NAME) for name in _TEXTS}
    known |= _reached(facts.get("prior_epoch"), facts.get("prior_perplexity"))
    verdict = read_verdict(facts.get(COPYING))
    known |= {} if verdict is None else {COPYING: verdict.as_facts()}
    known |= _origin_facts(origin_in(facts))
    notes = [printable(note, _LONGEST_NOTE) for note in facts["notes"]]
    return known | {"settings": _settings_of(request), "notes": notes}, request
