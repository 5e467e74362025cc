"""The two kinds of runs: which keys each has beside those that all have, and what they have to fulfil."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distill_core.models import schema
from distill_core.training.codec.events import VQVAEEpochMetrics
from distill_core.training.loop import MAX_ROLL_BACKS
from distill_core.training.prior.config import MOST_VARIANTS, NUMBER_FORMATS, PriorConfig
from distill_core.training.prior.events import FilePrior, PriorEpochMetrics, Verdict
from distill_core.training.run_folder.facts import Kind, UnfinishedRun
from distill_core.training.run_folder.format import (
    VERSION,
    KeyTypes,
    are_finite,
    check_common,
    common_facts,
    has_keys,
    is_count,
    is_older,
    is_within,
    kind_of,
    reading_a_run,
    require,
)

_LARGEST = 1e12  # no loss, rate, time or perplexity comes near it
_MOST_STEPS = 10**15

_PRIOR_KEYS: KeyTypes = {
    "codes_digest": str,
    "config": dict,
    "prior_metadata": dict,
    "current_state_dict": dict,
    "roll_backs": int,
    "optimizer_states": list,
    "schedule": dict,
    "random_states": list,
}
_NEWER_PRIOR_KEYS: KeyTypes = {
    "joined": int,
    "number_format": str,
    "file_prior": (dict, type(None)),
    "last_state_dict": dict,
    "before_memorizing_state_dict": dict,
    "before_memorizing_epoch": int,
}
_CODEC_KEYS: KeyTypes = {
    "model_state_dict": dict,
    "vqvae_config": dict,
    "spectrogram_config": dict,
    "training_config": dict,
    "metadata": dict,
}
_OTHER_WEIGHTS = ("current_state_dict", "last_state_dict", "before_memorizing_state_dict")
_PRIOR_NUMBERS = ("train_loss", "val_loss", "val_perplexity", "best_perplexity", "epoch_time_s", "learning_rate")
_CODEC_NUMBERS = (
    *("train_loss", "commit_loss", "val_loss", "best_val_loss", "val_l1"),
    *("codebook_use", "epoch_time_s", "learning_rate"),
)
_VERDICTS = ("", *Verdict)


def history_of(values: Mapping[str, Any]) -> list[PriorEpochMetrics]:
    """Return the epochs that the run of a prior tells of."""
    with reading_a_run():
        history = [PriorEpochMetrics(**metrics) for metrics in values["history"]]
        for metrics in history:
            require(all(is_within(getattr(metrics, name), 0, _LARGEST) for name in _PRIOR_NUMBERS))
            require(isinstance(metrics.verdict, str) and metrics.verdict in _VERDICTS)
            require(isinstance(metrics.is_memorizing, bool) and isinstance(metrics.memorization_message, str))
            # These say nothing, and are NaN, where too little is held out.
            others = (*metrics.level_perplexities, metrics.known_perplexity, metrics.perplexity_error)
            require(all(is_within(value, 0, _LARGEST) or value != value for value in others))
    return history


def codec_history_of(values: Mapping[str, Any]) -> list[VQVAEEpochMetrics]:
    """Return the epochs that the run of a codec tells of."""
    with reading_a_run():
        history = [VQVAEEpochMetrics(**metrics) for metrics in values["history"]]
        for metrics in history:
            require(all(is_within(getattr(metrics, name), 0, _LARGEST) for name in _CODEC_NUMBERS))
    return history


def config_of(values: Mapping[str, Any]) -> PriorConfig:
    """Return the settings of a run."""
    with reading_a_run():
        return PriorConfig(**values["config"])


def file_prior_of(values: Mapping[str, Any]) -> FilePrior | None:
    """Return what a run tells of the prior that a save would replace."""
    with reading_a_run():
        if not values.get("file_prior"):
            return None
        found = FilePrior(**values["file_prior"])
        require(found.perplexity is None or is_within(found.perplexity, 0, _LARGEST))
        require(isinstance(found.decides, bool) and isinstance(found.sha256, str))
        return found


def _check_schedule(schedule: Mapping[str, Any]) -> None:
    require(bool(schedule) and are_finite(schedule))
    require(all(is_within(rate, 0, _LARGEST) for rate in schedule["base_lrs"]))
    require(is_count(schedule["last_epoch"], 0, _MOST_STEPS))


def _check_optimizers(states: Sequence[Mapping[str, Any]]) -> None:
    """Check what an optimizer goes on with: the root of a variance below zero would be NaN in every weight."""
    require(are_finite(states))
    for state in states:
        require(all(is_within(group["lr"], 0, _LARGEST) for group in state["param_groups"]))
        variances = [moments["exp_avg_sq"] for moments in state["state"].values() if "exp_avg_sq" in moments]
        require(all(bool((variance >= 0).all()) for variance in variances))


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    """Check the numbers that are shown and compared; a level that nothing is held out of has none."""
    require(are_finite({key: value for key, value in metadata.items() if key != "level_perplexities"}))
    require(all(is_within(metadata[key], 0, _LARGEST) for key in ("best_perplexity", "final_perplexity")))


def _check_prior(values: Mapping[str, Any], name: str) -> None:
    keys = _PRIOR_KEYS if is_older(values) else _PRIOR_KEYS | _NEWER_PRIOR_KEYS
    with reading_a_run():
        require(has_keys(values, keys) and values.get("has_prior") is True)
        history_of(values)
        config_of(values)
        file_prior_of(values)
        _check_metadata(values["prior_metadata"])
        _check_schedule(values["schedule"])
        require(is_count(values["roll_backs"], 0, MAX_ROLL_BACKS + 1))
        if not is_older(values):
            require(values["number_format"] in NUMBER_FORMATS and is_count(values["joined"], 0, MOST_VARIANTS))
            epochs = [metrics["epoch"] for metrics in values["history"]]
            require(values["before_memorizing_epoch"] in (0, *epochs))
    schema.check_prior_header(values, name)


def _check_prior_tensors(values: Mapping[str, Any], name: str) -> None:
    schema.check_prior_tensors(values, name)
    for key in _OTHER_WEIGHTS:
        if values.get(key):
            schema.check_prior_tensors({**values, "prior_state_dict": values[key]}, name)
    with reading_a_run():
        _check_optimizers(values["optimizer_states"])


def _as_model(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a codec's run as those of the model file that a save would make of it."""
    kind = {"format": schema.FORMAT, "version": schema.VERSION, "model_type": schema.MODEL_TYPE, "has_prior": False}
    return {**values, **kind}


def _check_codec(values: Mapping[str, Any], name: str) -> None:
    with reading_a_run():
        require(values["version"] == VERSION and has_keys(values, _CODEC_KEYS))
        codec_history_of(values)
        plain = ("training_config", "metadata", "codebook_health_snapshot", "loss_curve_history")
        require(are_finite([values.get(key) for key in plain]))
        require(set(values["metadata"]) <= set(schema.METADATA_DEFAULTS))
    schema.check_header(_as_model(values), name)


def _check_codec_tensors(values: Mapping[str, Any], name: str) -> None:
    model = _as_model(values)
    schema.check_shapes(model, name)
    schema.check_numbers(model, name)


def check_run(values: Mapping[str, Any], name: str) -> None:
    """Check all of a run but its tensors, which may be described only; `name` is the file's.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    check_common(values, name)
    {Kind.PRIOR: _check_prior, Kind.CODEC: _check_codec}[kind_of(values)](values, name)


def check_run_tensors(values: Mapping[str, Any], name: str) -> None:
    """Check the tensors of a run that passed `check_run`.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    {Kind.PRIOR: _check_prior_tensors, Kind.CODEC: _check_codec_tensors}[kind_of(values)](values, name)


def facts_of(values: Mapping[str, Any]) -> UnfinishedRun:
    """Return what is known of a run that passed `check_run`."""
    common = common_facts(values)
    if common["kind"] is Kind.CODEC:
        best = next(metrics for metrics in values["history"] if metrics["epoch"] == values["best_epoch"])
        return UnfinishedRun(best=float(best["val_l1"]), codec_digest="", **common)
    metadata = values["prior_metadata"]
    digest = values.get("codec_digest", metadata.get("codec_digest"))
    return UnfinishedRun(
        best=float(metadata["best_perplexity"]), codec_digest=digest if isinstance(digest, str) else "", **common
    )
