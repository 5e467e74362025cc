"""A model's card in Markdown, with Hugging Face's keys before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distill_core.papers.licences import licence_keys
from distill_core.papers.markdown import code, escaped, front_matter
from distill_core.training.prior.events import verdict_words
from distill_core.training.prior.words import kept_words, newer_prior_words
from distill_core.training.words import ended_words

_TASK = "audio-to-audio"  # of the hub's tasks the one that a codec does
_AUDIT_VERDICTS = {
    "new": "new",
    "close_relatives": "close relatives",
    "copies": "copies",
    "cant_tell": "can't tell",
}
_Facts = Mapping[str, Any]


def audit_words(verdict: object) -> str:
    """Return the verdict of an audit in words, or "" for a value of a stranger's file that is none."""
    return _AUDIT_VERDICTS.get(verdict, "") if isinstance(verdict, str) else ""


def _figure(value: float) -> str:
    """Return a number as people read it, without digits that say nothing."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _seconds(value: float) -> str:
    return f"{value:,.2f} s" if value < 60 else f"{value:,.1f} s"


def _results(facts: _Facts) -> list[dict[str, Any]]:
    """Return the figures as the hub's results have them."""
    prior = facts["prior"] or {}
    reached, rate = prior.get("numbers", {}).get("perplexity"), (prior.get("audit") or {}).get("copy_rate")
    metrics = [{"type": "perplexity", "value": reached, "name": "Perplexity"}] if reached is not None else []
    metrics += [{"type": "copy_rate", "value": rate, "name": "Copy rate"}] if rate is not None else []
    if not metrics:
        return []
    dataset = {"type": "audiofolder", "name": "held-out sounds"}
    return [{"task": {"type": _TASK}, "dataset": dataset, "metrics": metrics}]


def card_keys(facts: _Facts) -> dict[str, Any]:
    """Return the keys before a card; each is one of Hugging Face's model-card specification."""
    results = _results(facts)
    return {
        **licence_keys(facts["licence"]),
        "library_name": "distill",
        "pipeline_tag": _TASK,
        "tags": [*dict.fromkeys(["audio", "distill", *facts["tags"]])],
        **({"model-index": [{"name": facts["name"], "results": results}]} if results else {}),
    }


def _row(label: str, value: str) -> Iterator[str]:
    if value:
        yield f"- {label}: {value}"


def _total(sounds: _Facts) -> str:
    count, seconds, held_out = sounds["count"], sounds["seconds"], sounds["held_out"]
    if count is None:
        return "The file does not tell on which sounds."
    words = f"{count:,} sound{'' if count == 1 else 's'}"
    words += "" if seconds is None else f", {_seconds(seconds)}"
    words += f", {held_out:,} of them held out" if held_out else ""
    folder = f" From {code(sounds['folder'])}." if sounds["folder"] else ""
    listed = "" if sounds["sounds"] else " The file lists none of them."
    return f"{words}.{folder}{listed}"


def _sounds(title: str, sounds: _Facts) -> Iterator[str]:
    yield from ("", f"### {title}", "", _total(sounds))
    if sounds["sounds"]:
        yield ""
    for sound in sounds["sounds"]:
        name = f"{code(sound['name'])}, " if sound.get("name") else ""
        aside = ", held out" if sound["held_out"] else ""
        yield f"- {name}{_seconds(sound['duration_s'])}{aside}, content {code(sound['digest'])}"


def _trained_on(facts: _Facts) -> Iterator[str]:
    yield from ("", "## What it was trained on")
    if facts["is_anonymous"] and (facts["sounds_of_codec"]["sounds"] or (facts["sounds_of_prior"] or {}).get("sounds")):
        yield from ("", "Its sounds are told by the hashes of their content alone.")
    if facts["sounds_of_prior"] is not None:
        yield from _sounds("The prior, which makes new sound", facts["sounds_of_prior"])
    yield from _sounds("The codec, which turns sound into codes and back", facts["sounds_of_codec"])


def _settings(title: str, settings: _Facts) -> Iterator[str]:
    if settings:
        yield from ("", f"### {title}", "")
        for key, value in settings.items():
            yield f"- {code(key)}: {code(_setting(value))}"


def _setting(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _codec(codec: _Facts) -> Iterator[str]:
    yield from ("", "## The model", "")
    yield from _row("Codec", escaped(codec["codec"]))
    yield from _row("Codebooks", f"{codec['levels']} levels × {codec['codes']:,} codes")
    yield from _row("Positions", escaped(codec["positions"]))
    yield from _row("Sound", f"{codec['sample_rate'] / 1000:g} kHz, mono")
    yield from _row("Parameters of the codec", f"{codec['parameters']:,}")
    yield from _row("Codec trained", escaped(codec["trained"]))
    for verdict in codec["verdicts"]:
        yield f"- {escaped(verdict)}"


def _prior(prior: _Facts | None) -> Iterator[str]:
    if prior is None:
        yield "- Prior: none yet, so it makes no new sound"
        return
    yield from _row("Prior", f"{code(prior['architecture'])}, {prior['parameters']:,} parameters")
    yield from _row("Endings", escaped(prior["ends"]))
    if not prior["is_readable"]:
        yield f"- {escaped(newer_prior_words(prior['architecture']))}"


def _numbers(numbers: _Facts) -> Iterator[str]:
    yield from ("", "## Numbers", "")
    perplexity = numbers.get("perplexity")
    older = ", by an older measure, which counts padding too" if numbers["counts_padding"] else ""
    yield from _row("Perplexity on held-out sounds", "" if perplexity is None else f"{_figure(perplexity)}{older}")
    by_frequency = numbers.get("guessing_by_frequency")
    yield from _row("Guessing each code by its frequency", "" if by_frequency is None else _figure(by_frequency))
    yield from _row("Guessing blindly", _figure(numbers["guessing_blindly"]))
    yield from _row("Perplexity by level", " / ".join(map(_figure, numbers.get("level_perplexities", ()))))
    yield from _row("Learning", escaped(verdict_words(numbers.get("verdict"))))
    yield from _row("Worst verdict of the training", escaped(verdict_words(numbers.get("run_verdict"))))
    epochs, kept = numbers.get("epochs_trained"), numbers.get("kept_epoch")
    which = kept_words(numbers.get("kept"))
    of_all = "" if epochs is None else f" of {epochs:,}"
    yield from _row("Epoch", "" if kept is None else f"{kept:,}{of_all}{f', {which}' if which else ''}")
    yield from _row("Training ended", escaped(ended_words(numbers.get("ended"))))
    yield from _row("Trained", escaped(numbers.get("training_date", "")))
    temperature = numbers.get("temperature")
    yield from _row("Fitted temperature", "" if temperature is None else _figure(temperature))


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _audit(audit: _Facts | None) -> Iterator[str]:
    if audit is None or not (verdict := audit_words(audit["verdict"])):
        return
    yield from ("", "## Are its takes copies?", "", f"- Takes: {verdict}")
    interval, rate = audit.get("copy_rate_interval"), audit.get("copy_rate")
    within = f" (95 % interval {_share(interval[0])} to {_share(interval[1])})" if interval else ""
    yield from _row("Copy rate", "" if rate is None else f"{_share(rate)}{within}")
    compared = audit.get("compared", audit.get("samples"))
    yield from _row("Takes compared", "" if compared is None else _figure(compared))
    yield from _row("Z of data copying", "" if audit.get("z") is None else _figure(audit["z"]))
    yield from _row("Date", escaped(audit.get("date", "")))
    settings = audit.get("settings", {})
    yield from _row("Settings", ", ".join(code(f"{key} {_setting(value)}") for key, value in settings.items()))


def _head(facts: _Facts) -> Iterator[str]:
    yield from ("", f"# {escaped(facts['name']) or 'A model of sounds'}", "")
    yield "A model of sounds, made with Distill."
    if facts["notes"]:
        yield ""
    for line in facts["notes"]:
        yield f"> {escaped(line)}".rstrip()
    if facts["licence"]:
        yield from ("", f"Licence: {escaped(facts['licence'])}")


def _foot(facts: _Facts) -> Iterator[str]:
    yield from ("", "## Software", "")
    versions = [f"{name} {number}" for name, number in facts["software"].items() if name != "distill"]
    yield f"- Card written by {', '.join([facts['software']['distill'], *versions])}"
    yield f"- File format version {facts['format_version']}"
    yield from _row("Model id", code(facts["model_id"]))


def card_markdown(facts: _Facts) -> str:
    """Return the card of `card_facts` as Markdown; no text of a stranger's file breaks out of its place."""
    prior = facts["prior"]
    lines = [front_matter(card_keys(facts)), *_head(facts), *_trained_on(facts), *_codec(facts["codec"])]
    lines += _prior(prior)
    if prior is not None:
        lines += [*_numbers(prior["numbers"]), *_audit(prior["audit"])]
        lines += _settings("Settings of the prior", prior["settings"])
    lines += [*_settings("Settings of the codec", facts["codec"]["settings"]), *_foot(facts)]
    return "\n".join(lines) + "\n"
