"""The kind of run that a codec's training leaves: the checks of its values, and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distill_core.errors import ModelFileError
from distill_core.models import schema
from distill_core.models.architectures import CODECS, codec_name
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.codec.sums import check_sums
from distill_core.training.codec.trainings import TRAININGS, training_of
from distill_core.training.codec.words import CODEC
from distill_core.training.loop import MAX_ROLL_BACKS
from distill_core.training.optimizer_state import check_optimizer_numbers, check_schedule_numbers
from distill_core.training.run_folder.checks import (
    KeyTypes,
    are_finite,
    has_keys,
    is_count,
    is_within,
    newer_run,
    reading_a_run,
    require,
)
from distill_core.training.run_folder.format import names_no_best_epoch, naming_best
from distill_core.training.run_folder.kind import RunKind
from distill_core.training.run_folder.reached import has_best, part_of
from distill_core.training.under_way import check_under_way

_LARGEST = 1e12  # no loss, rate, time or error comes near it
_KEYS: KeyTypes = {
    "model_state_dict": dict,
    "vqvae_config": dict,
    "spectrogram_config": dict,
    "training_config": dict,
    "metadata": dict,
}
_GOING_ON_KEYS: KeyTypes = {
    "config": dict,
    "sounds_digest": str,
    "current_state_dict": dict,
    "roll_backs": int,
    "optimizer_states": list,
    "schedule": dict,
    "random_states": list,
}
_NUMBERS = (
    *("train_loss", "commit_loss", "val_loss", "best_val_loss", "val_l1"),
    *("codebook_use", "epoch_time_s", "learning_rate"),
)


def history_of(values: Mapping[str, Any]) -> list[CodecEpochMetrics]:
    """Return the epochs of a run.

    Raises:
        ModelFileError: they are damaged.
    """
    with reading_a_run():
        history = [CodecEpochMetrics(**metrics) for metrics in values["history"]]
        for metrics in history:
            require(all(is_within(getattr(metrics, name), 0, _LARGEST) for name in _NUMBERS))
            require(is_count(metrics.best_epoch, 0, metrics.epoch))
    return naming_best(history) if names_no_best_epoch(values) else history


def config_of(values: Mapping[str, Any]) -> CodecSettings:
    """Return the settings of a run, of its codec's class.

    Raises:
        ConfigError: its codec is not trained here.
        ModelFileError: they cannot be.
    """
    training = training_of(codec_name(values["vqvae_config"]))
    with reading_a_run():
        return training.settings(**values["config"])


def _is_best_only(values: Mapping[str, Any]) -> bool:
    return names_no_best_epoch(values)  # the next version began with both


def _best_only_error() -> ModelFileError:
    return ModelFileError(
        "The unfinished training was made by an older Distill, which kept its best codec alone: it can't be gone on "
        "with. Nothing was changed.",
        "Its best codec can still be saved (--use-best); or train afresh.",
    )


def _best_error(values: Mapping[str, Any]) -> float:
    best = next(metrics for metrics in values["history"] if metrics["epoch"] == values["best_epoch"])
    return float(best["val_l1"])


def _no_codec_digest(values: Mapping[str, Any]) -> str:
    return ""  # the training makes a codec


def _as_model(values: Mapping[str, Any], weights: str) -> dict[str, Any]:
    """Return the model file that saving the weights under a key would make, as values."""
    kind = {"format": schema.FORMAT, "version": schema.VERSION, "model_type": schema.MODEL_TYPE, "has_prior": False}
    return {**values, **kind, "model_state_dict": values[weights]}


def _check_going_on(values: Mapping[str, Any]) -> None:
    require(has_keys(values, _GOING_ON_KEYS))
    if codec_name(values["vqvae_config"]) in TRAININGS:
        config_of(values)
    if values["optimizer_states"]:  # a codec without parameters has none, and no schedule
        check_schedule_numbers(values["schedule"])
    require(is_count(values["roll_backs"], 0, MAX_ROLL_BACKS + 1))
    if part := part_of(values):
        check_under_way(part)
        check_sums(part)


def _check(values: Mapping[str, Any], name: str) -> None:
    with reading_a_run():
        require(has_keys(values, _KEYS))
        codec = codec_name(values["vqvae_config"])
        require(isinstance(codec, str))
    if codec not in CODECS:
        raise newer_run(values)
    with reading_a_run():
        history_of(values)
        plain = ("training_config", "metadata", "codebook_health_snapshot", "loss_curve_history")
        require(are_finite([values.get(key) for key in plain]))
        require(set(values["metadata"]) <= set(schema.METADATA_DEFAULTS))
        if not _is_best_only(values):
            _check_going_on(values)
    schema.check_header(_as_model(values, "model_state_dict" if has_best(values) else "current_state_dict"), name)


def _weights_in(values: Mapping[str, Any]) -> list[str]:
    """Return the keys of the weights that a run has: the best, and the current ones."""
    best = ["model_state_dict"] if has_best(values) else []
    return best if _is_best_only(values) else [*best, "current_state_dict"]


def _check_tensors(values: Mapping[str, Any], name: str) -> None:
    for key in _weights_in(values):
        model = _as_model(values, key)
        schema.check_shapes(model, name)
        schema.check_numbers(model, name)
    if not _is_best_only(values):
        with reading_a_run():
            check_optimizer_numbers(values["optimizer_states"])


CODEC_RUNS = RunKind(CODEC, _check, _check_tensors, _best_error, _no_codec_digest, _is_best_only, _best_only_error)
