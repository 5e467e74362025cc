"""What a plugin shows of a model: texts that keep its limits and name no sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from distill_core.papers.card import card_facts
from distill_core.papers.card_words import audit_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

NOT_RUN_YET = "Not run in the real plugin yet."
_LONGEST_NAME, _LONGEST_SHORT, _LONGEST_TEXT, _LONGEST_TAG, _MOST_TAGS = 30, 150, 500, 15, 7
_NO_AUDIT = "Whether its takes are copies of its sounds was never checked."
_AUDITED = "Whether its takes are copies of its sounds was checked: {verdict}."


class PluginWords(NamedTuple):
    """A model's name, descriptions and tags."""

    name: str
    short: str
    long: str
    technical: str
    tags: tuple[str, ...]


def _within(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _short(facts: dict[str, Any]) -> str:
    sounds = facts["sounds_of_prior"] or {}
    count, seconds = sounds.get("count"), sounds.get("seconds")
    of = "" if count is None else f" of {count:,} sound{'' if count == 1 else 's'}"
    length = "" if seconds is None else f" ({seconds:,.0f} s)"
    return f"New sound from what a model has learned{of}{length}, made with Distill."


def _long(facts: dict[str, Any]) -> str:
    """Return notes last, for they may be cut off."""
    verdict = audit_words((facts["prior"]["audit"] or {}).get("verdict"))
    licence = f"Licence: {facts['licence']}" if facts["licence"] else ""
    copies = _AUDITED.format(verdict=verdict) if verdict else _NO_AUDIT
    return "\n".join(filter(None, [licence, copies, NOT_RUN_YET, *facts["notes"]]))


def _technical(facts: dict[str, Any]) -> str:
    codec, prior = facts["codec"], facts["prior"]
    return (
        f"{codec['codec']}, {codec['levels']} levels of {codec['codes']:,} codes, {codec['sample_rate']:,} Hz; "
        f"prior {prior['architecture']}, {prior['parameters']:,} parameters, drawn in double precision. "
        f"{facts['software']['distill']}."
    )


def plugin_words(summary: ModelSummary) -> PluginWords:
    """Return the texts for a model that has a prior."""
    facts = card_facts(summary, anonymous=True)
    tags = dict.fromkeys(_within(tag, _LONGEST_TAG) for tag in ["distill", *facts["tags"]])
    return PluginWords(
        _within(facts["name"], _LONGEST_NAME) or "A model of sounds",
        _within(_short(facts), _LONGEST_SHORT),
        _within(_long(facts), _LONGEST_TEXT),
        _within(_technical(facts), _LONGEST_TEXT),
        tuple(tags)[:_MOST_TAGS],
    )
