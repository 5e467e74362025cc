"""The facts of a model file in words: sections of label and value. Knows no widget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.times import duration
from app.widgets.facts import stranger_values as read
from app.words import counted
from distill_core.audit.record import AUDIT, VERDICT_WORDS, AuditSettings, audit_in
from distill_core.audit.verdict import LEAST_AGREEMENT
from distill_core.models.codec_health import CodecHealth, codec_health
from distill_core.models.value_reader import known_numbers
from distill_core.text import LONGEST_NAME, printable
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
    from collections.abc import Mapping
    from typing import Any

    from distill_core.models.summary import ModelSummary

Row = tuple[str, str]
Section = tuple[str, list[Row]]

HEALTH_TITLE = "Health of the codec"
MODEL_TITLE, PRIOR_TITLE, FILE_TITLE = "Model", "Prior", "File"
LIST_TITLES = MODEL_TITLE, HEALTH_TITLE, PRIOR_TITLE, FILE_TITLE
NO_MODEL = "No model is open. Open one to see what it holds."
NO_PRIOR = "No prior in this model yet."
_BYTES_PER_PARAMETER = 4
_MOST_LEVELS = 32
_OLDER_MEASURE = "an older one, which counts padding too: compare its numbers with no newer ones"


def size_in_words(size: float) -> str:
    """Return a size in bytes as "5.4 MB"; less than a kB is no number that anybody needs."""
    if 0 < size < 1e3:
        return "less than 1 kB"
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _known(*rows: Row) -> list[Row]:
    return [row for row in rows if row[1]]


def _grouped(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _parameters(parameters: int) -> str:
    return f"{parameters:,} ({size_in_words(parameters * _BYTES_PER_PARAMETER)})" if parameters else ""


def _sounds(facts: Mapping[str, Any]) -> str:
    files, seconds = read.count(facts, "dataset_file_count"), read.above_zero(facts, "dataset_total_duration_s")
    sounds = "" if files is None else counted(files, "sound")
    return ", ".join(part for part in (sounds, "" if seconds is None else duration(seconds)) if part)


def _sound_settings(summary: ModelSummary) -> list[Row]:
    rate, spectrogram = ("Sample rate", f"{summary.geometry.sample_rate / 1000:g} kHz"), summary.spectrogram
    if not summary.has_mel:
        return [rate]
    highest = spectrogram.sample_rate / 2 if spectrogram.f_max is None else spectrogram.f_max
    return [
        rate,
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
        ("Codec", summary.codec_words),
        ("Codebooks", _levels_by_codes(summary.num_quantizers, summary.codebook_size)),
        ("Positions", summary.positions_words),
        *_sound_settings(summary),
        ("Parameters", _parameters(summary.parameters)),
        ("Epochs trained", _grouped(read.count(facts, "training_epochs"))),
        ("Trained", read.date(facts, "training_date")),
        ("Saved", read.date(facts, "save_date")),
        ("Trained on", _sounds(facts)),
        ("Folder", read.text(facts, "dataset_name")),
        ("Format", f"version {summary.version}"),
    )


def health_rows(health: CodecHealth) -> list[Row]:
    """Return the verdicts on a codec, and the use of each level's codebook, as far as the file has them."""
    return [*(("", verdict) for verdict in health.verdicts), *((level.label, level.words) for level in health.levels)]


def _network_rows(summary: ModelSummary) -> list[Row]:
    config = summary.prior_config or {}
    # The settings of a prior that a newer Distill made are shown as they are: its architecture is not known here.
    sizes = summary.prior_network if summary.prior_is_readable else config
    codes = read.count(config, "seq_len")
    return _known(
        ("Architecture", read.one_line(summary.prior_architecture)),
        ("Layers", _grouped(read.count(sizes, "num_layers"))),
        ("Heads", _grouped(read.count(sizes, "num_heads"))),
        ("Hidden size", _grouped(read.count(sizes, "hidden_size"))),
        ("Context", "" if codes is None else f"{codes:,} codes{_as_seconds(codes, summary.geometry.codes_per_second)}"),
        ("Parameters", _parameters(summary.prior_parameters)),
        ("Endings", end_words(summary.prior_has_ends)),
    )


def _as_seconds(codes: int, codes_per_second: int) -> str:
    return " = 1 second" if codes == codes_per_second else f" = {codes / codes_per_second:.3g} seconds"


def _above_zero(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _perplexity(summary: ModelSummary, facts: Mapping[str, Any]) -> str:
    """Return the perplexity of the saved weights, and their epoch."""
    reached = _above_zero(summary.perplexity)
    if reached is None:
        return ""
    epoch = read.count(facts, "kept_epoch") or read.count(facts, "best_epoch")
    which = kept_words(facts.get("kept"))
    at_epoch = "" if epoch is None else f" at epoch {epoch:,}{which and f', {which}'}"
    return f"{reached:,.2f}{at_epoch} (uniform = {summary.codebook_size})"


def _best_of_the_run(facts: Mapping[str, Any]) -> str:
    best, epoch = read.above_zero(facts, "best_perplexity"), read.count(facts, "best_epoch")
    if best is None or epoch is None or epoch == read.count(facts, "kept_epoch"):
        return ""
    return f"{best:,.2f} at epoch {epoch:,}"


def _unigram(summary: ModelSummary, facts: Mapping[str, Any]) -> str:
    value = _above_zero(summary.unigram_perplexity)
    if value is None:
        return ""
    pools_levels = summary.counts_padding and not _by_level(facts, "unigram_by_level")
    how = "guessing by frequency alone, all levels together" if pools_levels else "guessing by frequency alone"
    return f"{value:.2f} ({how})"


def _by_level(facts: Mapping[str, Any], key: str) -> str:
    values = known_numbers(facts.get(key), 1e9, _MOST_LEVELS)
    return "" if any(map(math.isnan, values)) else " / ".join(f"{value:.2f}" for value in values)


def _result_rows(summary: ModelSummary, facts: Mapping[str, Any]) -> list[Row]:
    return _known(
        ("Perplexity", _perplexity(summary, facts)),
        ("Best of the run", _best_of_the_run(facts)),
        ("Measure", _OLDER_MEASURE if summary.counts_padding and _perplexity(summary, facts) else ""),
        ("Perplexity by level", _by_level(facts, "level_perplexities")),
        ("Unigram perplexity", _unigram(summary, facts)),
        ("Unigram by level", _by_level(facts, "unigram_by_level")),
        (AGREEMENT.capitalize(), agreement_words(facts.get("sibling_agreement"))),
        *_verdict_rows(facts),
        ("Epochs trained", _grouped(read.count(facts, "epochs_trained"))),
        ("Ended", ended_words(facts.get("ended"))),
    )


def _verdict_rows(facts: Mapping[str, Any]) -> list[Row]:
    """Return the verdicts on the saved weights and on the run's worst epoch; older files have a limit only."""
    verdict, worst = facts.get("verdict"), facts.get("run_verdict")
    return [
        ("Verdict", verdict_words(verdict)),
        ("Worst verdict of the run", verdict_words(worst) if worst != verdict else ""),
        (PREDICTABLE.capitalize(), predictable_words(facts.get("was_memorizing"))),
    ]


def _above(number: float, pattern: str) -> str:
    """Return from which number on a sound is a copy, "" if it is unknown."""
    return f"a copy from {number:{pattern}} on" if math.isfinite(number) else ""


def _audit_rows(facts: Mapping[str, Any]) -> list[Row]:
    """Return the numbers of an audit."""
    record = audit_in(facts)
    if record is None:
        return []
    (low, high), baseline, settings = record.copy_rate_interval, record.baseline, record.settings
    return _known(
        ("Takes", VERDICT_WORDS[record.verdict]),
        ("Copies", f"{record.copy_rate:.1%} of {record.compared} samples, 95 %: {low:.1%} to {high:.1%}"),
        ("Agreement (AGR)", _above(max(baseline.agreement, LEAST_AGREEMENT), ".0%")),
        ("Longest run (LVM)", _above(baseline.run, ",.0f") and f"{_above(baseline.run, ',.0f')}, and half its codes"),
        ("Likeness (MEL)", _above(baseline.likeness, ".2f")),
        ("Baseline", counted(baseline.points, "passage")),
        ("Data-copying (Z)", f"{record.z:.2f}" if math.isfinite(record.z) else ""),
        ("Sure of what it learned (CH)", f"{record.confident_excess:+.3f}" if math.isfinite(record.z) else ""),
        ("Samples", _samples(settings)),
        ("Checked", read.date(facts[AUDIT], "date")),
    )


def _samples(settings: AuditSettings) -> str:
    of_codes = f", top-k {settings.top_k}" if settings.top_k else ""
    return (
        f"{settings.samples} from seed {settings.seed} on, temperature {settings.temperature:g}{of_codes}, "
        f"top-p {settings.top_p:g}"
    )


def _validation_files(facts: Mapping[str, Any]) -> str:
    names = facts.get("validation_files")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    shown = [printable(name, LONGEST_NAME) for name in names[:200]]
    return f"{len(names):,}: {read.one_line(', '.join(shown))}" if names else ""


def _training_rows(facts: Mapping[str, Any]) -> list[Row]:
    return _known(
        ("Trained", read.date(facts, "training_date")),
        ("Trained on", _sounds(facts)),
        ("Folder", read.text(facts, "dataset_name")),
        ("Validation sounds", _validation_files(facts)),
        ("Device", read.text(facts, "device")),
        ("Number format", read.text(facts, "format")),
        ("Temperature", temperature_words(facts.get("temperature"))),
        ("Threads", _grouped(read.count(facts, "threads"))),
        ("Seed", str(seed) if (seed := read.count(facts, "seed", least=0)) is not None else ""),
    )


def _prior_rows(summary: ModelSummary) -> list[Row]:
    if not summary.has_prior:
        return [("", NO_PRIOR)]
    facts = summary.prior_metadata or {}
    rows = _network_rows(summary) + _result_rows(summary, facts) + _audit_rows(facts) + _training_rows(facts)
    if summary.prior_is_readable:
        return rows
    return [("", newer_prior_words(summary.prior_architecture)), *rows]


def _file_rows(summary: ModelSummary) -> list[Row]:
    return [
        ("Path", read.one_line(str(summary.path))),
        ("Size", size_in_words(summary.stamp.size)),
        ("Modified", read.local_date(summary.stamp.mtime_ns / 1e9)),
    ]


def describe(summary: ModelSummary) -> list[Section]:
    """Return the facts of a model file by section, without unknown ones; a row without a label is a sentence.

    The values are whole: a widget may show less of a long one.
    """
    health = health_rows(codec_health(summary))
    return [
        (MODEL_TITLE, _model_rows(summary)),
        *([(HEALTH_TITLE, health)] if health else []),
        (PRIOR_TITLE, _prior_rows(summary)),
        (FILE_TITLE, _file_rows(summary)),
    ]


def as_text(sections: list[Section]) -> str:
    """Return sections as plain text, for the clipboard."""
    blocks = []
    for title, rows in sections:
        lines = [f"  {label}: {value}" if label else f"  {value}" for label, value in rows]
        blocks.append("\n".join([title, *lines]))
    return "\n\n".join(blocks)
