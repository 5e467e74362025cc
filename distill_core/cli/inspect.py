"""`distill inspect MODEL`: what a model file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.cli.terminal import Terminal, terminal_session
from distill_core.text import LONGEST_NAME, printable
from distill_core.training.events import ENDED_WORDS
from distill_core.training.prior.events import KEPT_WORDS, VERDICT_WORDS

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_MOST_LEVELS = 32
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
    "sibling_agreement": "share of codes as in the nearest training sound",
    "was_memorizing": "was below the fixed limit",
    "unigram_perplexity": "perplexity of guessing by frequency alone",
    "format": "number format of training",
    "training_date": "trained",
    "dataset_name": "sounds",
    "dataset_file_count": "number of sounds",
    "dataset_total_duration_s": "seconds of sound",
}

_WORDS: dict[str, Mapping[Any, str]] = {
    "verdict": VERDICT_WORDS,
    "run_verdict": VERDICT_WORDS,
    "kept": KEPT_WORDS,
    "ended": ENDED_WORDS,
}


def inspect(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also read every tensor, compare the checksums and build the networks.")
    ] = False,
) -> None:
    """Show what a model file holds.

    With --json it is as the file has it, of any length and with whatever a stranger wrote: for programs, not for eyes.
    """
    with terminal_session(json) as terminal:
        from distill_core.models.persistence import load_model_v2, read_summary

        summary = read_summary(model)
        if verify:
            load_model_v2(model)
        _show(terminal, summary)
        if verify:
            terminal.say("Verified: every tensor was read, all checksums match, and the networks were built.", "green")
        terminal.print_object({**_facts(summary), "verified": verify})


def _facts(summary: ModelSummary) -> dict[str, object]:
    facts = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
    return {
        **facts,
        "prior_metadata": _prior_facts(summary),
        "codebook_size": summary.codebook_size,
        "num_quantizers": summary.num_quantizers,
        "grid": summary.grid,
        "seq_len": summary.seq_len,
        "has_prior": summary.has_prior,
    }


def _prior_facts(summary: ModelSummary) -> dict[str, object] | None:
    """Return what the file tells of its prior, with the guessing that it compares with."""
    if summary.prior_metadata is None or (unigram := summary.unigram_perplexity) is None:
        return summary.prior_metadata
    return summary.prior_metadata | {"unigram_perplexity": unigram}


def _show(terminal: Terminal, summary: ModelSummary) -> None:
    bands, steps = summary.grid
    spectrogram = summary.spectrogram
    terminal.say(f"Model: {printable(summary.name, LONGEST_NAME)}")
    terminal.say(f"  file: {summary.path}, {summary.stamp.size / 1e6:.1f} MB, format version {summary.version}")
    terminal.say(f"  codebooks: {summary.num_quantizers} levels × {summary.codebook_size} codes")
    terminal.say(f"  positions: {bands} bands × {steps} steps a second, {summary.seq_len} codes")
    terminal.say(
        f"  sound: {spectrogram.sample_rate / 1000:g} kHz, {spectrogram.n_mels} mel bands, "
        f"hop length {spectrogram.hop_length}, FFT {spectrogram.n_fft}"
    )
    terminal.say(f"  parameters: {summary.parameters:,}")
    for level in (f"level_{number}" for number in range(summary.num_quantizers)):
        match (summary.codebook_health or {}).get(level):  # a file's author may have put anything there
            case {"utilization": float() | int() as share, "perplexity": float() | int() as perplexity}:
                terminal.say(f"  {level}: {share:.0%} of the codes in use, perplexity {perplexity:.1f}")
    _show_prior(terminal, summary)


def _show_prior(terminal: Terminal, summary: ModelSummary) -> None:
    if not summary.has_prior:
        terminal.say("Prior: none yet")
        return
    if not summary.prior_is_readable:
        name = summary.prior_architecture
        terminal.say(
            f"Prior: of an architecture (“{name}”) that a newer Distill made; the VQ-VAE can be used", "yellow"
        )
        return
    config = summary.prior_config or {}
    terminal.say(f"Prior: {summary.prior_architecture}, {summary.prior_parameters:,} parameters")
    terminal.say(
        f"  network: {config['num_layers']} layers, {config['num_heads']} heads, {config['hidden_size']} hidden"
    )
    if summary.counts_padding:
        terminal.say("  its perplexities count padding too (an older measure), and compare with no newer ones")
    for key, label in _PRIOR_LABELS.items():
        if (value := (_prior_facts(summary) or {}).get(key)) is not None:
            terminal.say(f"  {label}: {_in_words(key, value)}")


def _in_words(key: str, value: object) -> str:
    """Return a fact as people read it, with its own words where it has some."""
    known = {str(name): words for name, words in _WORDS.get(key, {}).items()}
    words = known.get(value) if isinstance(value, str) else None
    return words or printable(_shown(value), _LONGEST_FACT)


def _shown(value: object) -> str:
    """Return a fact as people read it; a file's author may have put anything there, of any size and depth."""
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
