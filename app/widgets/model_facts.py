"""What a model file tells about itself, in words: sections of label and value. Knows no widget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.widgets import stranger_values as read
from app.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from distill_core.models.summary import ModelSummary

Row = tuple[str, str]
Section = tuple[str, list[Row]]

USE_TITLE = "Use of the codebooks"
LIST_TITLES = MODEL_TITLE, PRIOR_TITLE, FILE_TITLE = "Model", "Prior", "File"
NO_MODEL = "No model is open. Open one to see what it holds."
NO_PRIOR = "No prior in this model yet."
_BYTES_A_PARAMETER = 4
_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True)
class LevelUse:
    """How much of one level's codebook is in use: a share of the codes, and their perplexity; None is unknown."""

    level: int
    utilization: float | None
    perplexity: float | None

    @property
    def label(self) -> str:
        """The level as people count."""
        return f"Level {self.level}"

    @property
    def words(self) -> str:
        """The same as the picture shows."""
        share = "" if self.utilization is None else f"{self.utilization:.0%} in use"
        evenness = "" if self.perplexity is None else f"perplexity {self.perplexity:.1f}"
        return ", ".join(part for part in (share, evenness) if part)


@dataclass(frozen=True, slots=True)
class SavedCurve:
    """The losses in nats that a prior's training left in the file, one an epoch, NaN where unknown."""

    val_losses: list[float]
    train_losses: list[float]
    best_epoch: int | None


def size_in_words(size: float) -> str:
    """Return a size in bytes as "5.4 MB"."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _known(*rows: Row) -> list[Row]:
    return [row for row in rows if row[1]]


def _grouped(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _parameters(parameters: int) -> str:
    return f"{parameters:,} ({size_in_words(parameters * _BYTES_A_PARAMETER)})" if parameters else ""


def _sounds(facts: Mapping[str, Any]) -> str:
    files, seconds = read.count(facts, "dataset_file_count"), read.above_zero(facts, "dataset_total_duration_s")
    sounds = "" if files is None else counted(files, "sound")
    return ", ".join(part for part in (sounds, "" if seconds is None else duration(seconds)) if part)


def _mel_settings(summary: ModelSummary) -> list[Row]:
    spectrogram = summary.spectrogram
    highest = spectrogram.sample_rate / 2 if spectrogram.f_max is None else spectrogram.f_max
    return [
        ("Sample rate", f"{spectrogram.sample_rate / 1000:g} kHz"),
        ("Mel bands", f"{spectrogram.n_mels}, {spectrogram.f_min:,.0f}–{highest:,.0f} Hz"),
        ("Spectrogram", f"FFT {spectrogram.n_fft}, hop {spectrogram.hop_length}, power {spectrogram.power:g}"),
    ]


def _levels_by_codes(levels: int, codes: int) -> str:
    return f"{counted(levels, 'level')} × {codes} codes"


def _model_rows(summary: ModelSummary) -> list[Row]:
    facts = summary.metadata
    return _known(
        ("Name", read.one_line(summary.name)),
        ("Description", read.text(facts, "description")),
        ("Codebooks", _levels_by_codes(summary.num_quantizers, summary.codebook_size)),
        *_mel_settings(summary),
        ("Parameters", _parameters(summary.parameters)),
        ("Epochs trained", _grouped(read.count(facts, "training_epochs"))),
        ("Trained", read.date(facts, "training_date")),
        ("Saved", read.date(facts, "save_date")),
        ("Trained on", _sounds(facts)),
        ("Folder", read.text(facts, "dataset_name")),
        ("Format", f"version {summary.version}"),
    )


def level_uses(summary: ModelSummary) -> list[LevelUse]:
    """Return how much each level's codebook is in use, as far as the file tells."""
    health = summary.codebook_health or {}
    uses = []
    for level in range(summary.num_quantizers):
        facts = read.mapping(health, f"level_{level}")
        share, perplexity = read.number(facts, "utilization"), read.above_zero(facts, "perplexity")
        share = share if share is not None and 0 <= share <= 1 else None
        if share is not None or perplexity is not None:
            uses.append(LevelUse(level + 1, share, perplexity))
    return uses


def _network_rows(summary: ModelSummary) -> list[Row]:
    config = summary.prior_config or {}
    context = read.count(config, "seq_len")
    return _known(
        ("Architecture", read.one_line(summary.prior_architecture)),
        ("Layers", _grouped(read.count(config, "num_layers"))),
        ("Heads", _grouped(read.count(config, "num_heads"))),
        ("Hidden size", _grouped(read.count(config, "hidden_size"))),
        ("Context", "" if context is None else f"{context:,} codes{_as_seconds(context, summary.seq_len)}"),
        ("Parameters", _parameters(summary.prior_parameters)),
    )


def _as_seconds(codes: int, codes_a_second: int) -> str:
    return " = 1 second" if codes == codes_a_second else f" = {codes / codes_a_second:.3g} seconds"


def _best_perplexity(facts: Mapping[str, Any], codebook_size: int) -> str:
    best, epoch = read.above_zero(facts, "best_perplexity"), read.count(facts, "best_epoch")
    if best is None:
        return ""
    at_epoch = "" if epoch is None else f" at epoch {epoch:,}"
    return f"{best:.2f}{at_epoch} (uniform = {codebook_size})"


def _by_level(facts: Mapping[str, Any], key: str) -> str:
    values = read.losses(facts, key, below=1e9, most=_MOST_LEVELS)
    return "" if any(map(math.isnan, values)) else " / ".join(f"{value:.2f}" for value in values)


def _siblings(facts: Mapping[str, Any]) -> str:
    share = read.number(facts, "sibling_agreement")
    if share is None or not 0 <= share <= 1:
        return ""
    return f"{share:.0%} of a validation second's codes are those of its nearest training second (median)"


def _result_rows(facts: Mapping[str, Any], codebook_size: int) -> list[Row]:
    best, final = read.above_zero(facts, "best_perplexity"), read.above_zero(facts, "final_perplexity")
    unigram = read.above_zero(facts, "unigram_perplexity")
    memorized = facts.get("was_memorizing")
    return _known(
        ("Best perplexity", _best_perplexity(facts, codebook_size)),
        ("Final perplexity", "" if final is None or final == best else f"{final:.2f}"),
        ("Perplexity by level", _by_level(facts, "level_perplexities")),
        ("Unigram perplexity", "" if unigram is None else f"{unigram:.2f} (guessing by frequency alone)"),
        ("Unigram by level", _by_level(facts, "unigram_by_level")),
        ("Sibling agreement", _siblings(facts)),
        ("Epochs trained", _grouped(read.count(facts, "epochs_trained"))),
        ("Memorized?", {True: "yes", False: "no"}[memorized] if isinstance(memorized, bool) else ""),
    )


def _validation_files(facts: Mapping[str, Any]) -> str:
    names = facts.get("validation_files")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return f"{len(names):,}: {read.one_line(', '.join(names[:200]))}" if names else ""


def _training_rows(facts: Mapping[str, Any]) -> list[Row]:
    return _known(
        ("Trained", read.date(facts, "training_date")),
        ("Trained on", _sounds(facts)),
        ("Folder", read.text(facts, "dataset_name")),
        ("Validation sounds", _validation_files(facts)),
        ("Device", read.text(facts, "device")),
        ("Threads", _grouped(read.count(facts, "threads"))),
        ("Seed", str(seed) if (seed := read.count(facts, "seed", least=0)) is not None else ""),
    )


def _prior_rows(summary: ModelSummary) -> list[Row]:
    if not summary.has_prior:
        return [("", NO_PRIOR)]
    facts = summary.prior_metadata or {}
    rows = _network_rows(summary) + _result_rows(facts, summary.codebook_size) + _training_rows(facts)
    if summary.prior_is_readable:
        return rows
    return [("", "This prior was made by a newer Distill. The model itself can be used."), *rows]


def _file_rows(summary: ModelSummary) -> list[Row]:
    return [
        ("Path", read.one_line(str(summary.path))),
        ("Size", size_in_words(summary.stamp.size)),
        ("Modified", read.local_date(summary.stamp.mtime_ns / 1e9)),
    ]


def describe(summary: ModelSummary) -> list[Section]:
    """Return the facts of a model file by section; what is unknown is left out, and a row without a label is a state.

    The values are whole: a widget may show less of a long one.
    """
    uses = [(use.label, use.words) for use in level_uses(summary)]
    return [
        (MODEL_TITLE, _model_rows(summary)),
        *([(USE_TITLE, uses)] if uses else []),
        (PRIOR_TITLE, _prior_rows(summary)),
        (FILE_TITLE, _file_rows(summary)),
    ]


def saved_curve(summary: ModelSummary) -> SavedCurve | None:
    """Return the curve that the prior's training left in the file, or None where no validation loss is known."""
    facts = summary.prior_metadata or {}
    history = read.mapping(facts, "history")
    val_losses, train_losses = read.losses(history, "val_losses"), read.losses(history, "train_losses")
    if all(math.isnan(loss) for loss in val_losses):
        return None
    best_epoch = read.count(facts, "best_epoch")
    if best_epoch is not None and best_epoch > len(val_losses):
        best_epoch = None
    return SavedCurve(val_losses, train_losses, best_epoch)


def as_text(sections: list[Section]) -> str:
    """Return sections as plain text, for the clipboard."""
    blocks = []
    for title, rows in sections:
        lines = [f"  {label}: {value}" if label else f"  {value}" for label, value in rows]
        blocks.append("\n".join([title, *lines]))
    return "\n\n".join(blocks)
