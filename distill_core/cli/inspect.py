"""`distill inspect MODEL`: the facts of a model file."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_core.cli.terminal import Terminal, check_output, terminal_session
from distill_core.errors import ModelFileError
from distill_core.files.new_file import check_new_file, write_new_file
from distill_core.models.codec_health import CodecHealth, codec_health
from distill_core.text import LONGEST_NAME, file_name, printable
from distill_core.training.prior.events import verdict_words
from distill_core.training.prior.words import (
    AGREEMENT,
    PREDICTABLE,
    agreement_words,
    end_words,
    kept_words,
    newer_prior_words,
    predictable_words,
    temperature_words,
)
from distill_core.training.words import ended_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_MOST_LEVELS = 32
_BAR_WIDTH, _BLOCKS = 20, "█░"
_LONGEST_FACT = 240  # perplexities of 32 levels fit
_PRIOR_LABELS = {
    "final_perplexity": "perplexity",
    "kept": "kept",
    "kept_epoch": "epoch",
    "verdict": "verdict",
    "run_verdict": "worst verdict of its training",
    "best_perplexity": "best perplexity of its training",
    "best_epoch": "best epoch",
    "ended": "training ended",
    "epochs_trained": "epochs trained",
    "level_perplexities": "perplexity by level",
    "unigram_by_level": "by level, guessing by frequency alone",
    "sibling_agreement": AGREEMENT,
    "was_memorizing": PREDICTABLE,
    "unigram_perplexity": "perplexity of guessing by frequency alone",
    "temperature": "temperature",
    "format": "number format of training",
    "training_date": "trained",
    "dataset_name": "sounds",
    "dataset_file_count": "number of sounds",
    "dataset_total_duration_s": "seconds of sound",
}
_NETWORK = {"num_layers": "layers", "num_heads": "heads", "hidden_size": "hidden"}
_WORDS: dict[str, Callable[[object], str]] = {
    "verdict": verdict_words,
    "run_verdict": verdict_words,
    "kept": kept_words,
    "ended": ended_words,
    "sibling_agreement": agreement_words,
    "was_memorizing": predictable_words,
    "temperature": temperature_words,
}


def inspect(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also read every tensor, compare the checksums and build the networks.")
    ] = False,
    curve: Annotated[
        Path | None,
        typer.Option("--curve", help="A file (.csv) for the curve of its prior's training.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Show what a model file holds.

    With --json it is as the file has it, of any length and with whatever a stranger wrote: for programs, not for eyes.
    """
    with terminal_session(json) as terminal:
        from distill_core.models.persistence import load_model_v2, read_summary

        if curve is not None:
            check_output(curve, force, ".csv")
            check_new_file(curve, replace=force, source=model)
        summary = read_summary(model)
        if verify:
            load_model_v2(model)
        _show(terminal, summary)
        if verify:
            terminal.say("Verified: every tensor was read, all checksums match, and the networks were built.", "green")
        if curve is not None:
            _write_curve(terminal, summary, curve, force)
        terminal.print_object({**_facts(summary), "verified": verify})


def _write_curve(terminal: Terminal, summary: ModelSummary, output: Path, force: bool) -> None:
    from distill_core.training.prior.curve import curve_csv, rows_of_file

    rows = rows_of_file(summary.prior_metadata or {})
    if not rows:
        hint = "It was saved without one." if summary.has_prior else "Train a prior first."
        raise ModelFileError(f"“{file_name(summary.path)}” has no curve; nothing was written.", hint)
    path = write_new_file(output, curve_csv(rows).encode(), replace=force, source=summary.path)
    terminal.say(f"Curve of {len(rows)} epochs written: {path}", "green")


def _facts(summary: ModelSummary) -> dict[str, object]:
    facts = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
    health = codec_health(summary)
    return {
        **facts,
        "codec_verdicts": health.verdicts,
        "codec_warning": health.warning,
        "dead_levels": [level.level for level in health.dead_levels],
        "hardly_used_levels": [level.level for level in health.hardly_used_levels],
        "prior_metadata": _prior_facts(summary),
        "codebook_size": summary.codebook_size,
        "num_quantizers": summary.num_quantizers,
        "grid": (summary.geometry.bands, summary.geometry.chunk_steps),
        "seq_len": summary.geometry.codes_per_second,
        "codes_per_second": summary.geometry.codes_per_second,
        "has_prior": summary.has_prior,
    }


def _prior_facts(summary: ModelSummary) -> dict[str, object] | None:
    """Return the facts of the file's prior, with the perplexity of guessing to compare with."""
    if summary.prior_metadata is None or (unigram := summary.unigram_perplexity) is None:
        return summary.prior_metadata
    return summary.prior_metadata | {"unigram_perplexity": unigram}


def _show(terminal: Terminal, summary: ModelSummary) -> None:
    terminal.say(f"Model: {printable(summary.name, LONGEST_NAME)}")
    terminal.say(f"  file: {summary.path}, {summary.stamp.size / 1e6:.1f} MB, format version {summary.version}")
    terminal.say(f"  codec: {summary.codec_words}")
    terminal.say(f"  codebooks: {summary.num_quantizers} levels × {summary.codebook_size} codes")
    terminal.say(f"  positions: {summary.positions_words}")
    terminal.say(f"  sound: {summary.geometry.sample_rate / 1000:g} kHz{_mel_in_words(summary)}")
    terminal.say(f"  parameters: {summary.parameters:,}")
    _show_health(terminal, codec_health(summary))
    _show_prior(terminal, summary)


def _show_health(terminal: Terminal, health: CodecHealth) -> None:
    full, empty = _blocks(terminal)
    for level in health.levels:
        filled = ceil((level.utilization or 0.0) * _BAR_WIDTH)  # a level in use shows some
        bar = full * filled + empty * (_BAR_WIDTH - filled)
        terminal.say(f"  level {level.level:>2} {bar} {level.words}", "yellow" if level.has_fault else "")
    for verdict in health.verdicts:
        terminal.say(f"  {verdict}", "yellow" if verdict in health.faults else "")


def _blocks(terminal: Terminal) -> tuple[str, str]:
    """Return the letters of a bar's full and empty part that the terminal can show."""
    try:
        _BLOCKS.encode(terminal.console.encoding)
    except (UnicodeEncodeError, LookupError):
        return "#", "-"
    return _BLOCKS[0], _BLOCKS[1]


def _mel_in_words(summary: ModelSummary) -> str:
    """Return the settings of the log-mels, "" for a codec that makes none."""
    settings = summary.spectrogram
    mel = f", {settings.n_mels} mel bands, hop length {settings.hop_length}, FFT {settings.n_fft}"
    return mel if summary.has_mel else ""


def _show_prior(terminal: Terminal, summary: ModelSummary) -> None:
    if not summary.has_prior:
        terminal.say("Prior: none yet")
        return
    if not summary.prior_is_readable:
        terminal.say(newer_prior_words(summary.prior_architecture), "yellow")
        return
    terminal.say(f"Prior: {summary.prior_architecture}, {summary.prior_parameters:,} parameters")
    if sizes := summary.prior_network:
        terminal.say("  network: " + ", ".join(f"{size} {_NETWORK[name]}" for name, size in sizes.items()))
    if ends := end_words(summary.prior_has_ends):
        terminal.say(f"  endings: {ends}", "" if summary.prior_has_ends else "yellow")
    if summary.counts_padding:
        terminal.say("  its perplexities count padding too (an older measure), and compare with no newer ones")
    for key, label in _PRIOR_LABELS.items():
        if (value := (_prior_facts(summary) or {}).get(key)) is not None:
            terminal.say(f"  {label}: {_in_words(key, value)}")


def _in_words(key: str, value: object) -> str:
    """Return a fact as people read it, by the words of its key if there are some."""
    words = _WORDS[key](value) if key in _WORDS else ""
    return words or printable(_shown(value), _LONGEST_FACT)


def _shown(value: object) -> str:
    """Return a fact as people read it; a stranger's file may have values of any type, size and depth."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}"
        case int():
            return str(value)
        case str():
            return printable(value, _LONGEST_FACT)
        case list():
            return ", ".join("…" if isinstance(inner, list) else _shown(inner) for inner in value[:_MOST_LEVELS])
    return "…"
