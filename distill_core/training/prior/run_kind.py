"""The kind of run that a prior's training leaves: the checks of its values, and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distill_core.errors import ModelFileError
from distill_core.models import schema
from distill_core.models.architectures import PRIORS, architecture_of
from distill_core.training.loop import MAX_ROLL_BACKS
from distill_core.training.optimizer_state import check_optimizer_numbers, check_schedule_numbers
from distill_core.training.prior.config import MOST_VARIANTS, NUMBER_FORMATS, PriorConfig
from distill_core.training.prior.events import FilePrior, Keep, PriorEpochMetrics, Verdict
from distill_core.training.prior.kept import naming_kept
from distill_core.training.prior.sums import check_sums
from distill_core.training.prior.temperature import COLDEST, HOTTEST
from distill_core.training.prior.words import PRIOR
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
from distill_core.training.run_folder.format import is_older, names_no_best_epoch, naming_best
from distill_core.training.run_folder.kind import RunKind
from distill_core.training.run_folder.reached import has_best, last_epoch, part_of
from distill_core.training.under_way import check_under_way

_LARGEST = 1e12  # no loss, rate, time or perplexity comes near it
_KEYS: KeyTypes = {
    "codes_digest": str,
    "config": dict,
    "prior_metadata": dict,
    "current_state_dict": dict,
    "roll_backs": int,
    "optimizer_states": list,
    "schedule": dict,
    "random_states": list,
}
_NEWER_KEYS: KeyTypes = {
    "joined": int,
    "number_format": str,
    "file_prior": (dict, type(None)),
    "last_state_dict": dict,
    "before_memorizing_state_dict": dict,
    "before_memorizing_epoch": int,
}
_OTHER_WEIGHTS = ("current_state_dict", "last_state_dict", "before_memorizing_state_dict")
_NUMBERS = ("train_loss", "val_loss", "val_perplexity", "best_perplexity", "epoch_time_s", "learning_rate")
_VERDICTS = ("", *Verdict)


def history_of(values: Mapping[str, Any]) -> list[PriorEpochMetrics]:
    """Return the epochs of a run.

    Raises:
        ModelFileError: they are damaged.
    """
    with reading_a_run():
        history = [PriorEpochMetrics(**metrics) for metrics in values["history"]]
        for metrics in history:
            require(all(is_within(getattr(metrics, name), 0, _LARGEST) for name in _NUMBERS))
            require(isinstance(metrics.verdict, str) and metrics.verdict in _VERDICTS)
            require(isinstance(metrics.is_memorizing, bool) and isinstance(metrics.memorization_message, str))
            # These are NaN if too little is held out.
            others = (*metrics.level_perplexities, metrics.known_perplexity, metrics.perplexity_error)
            require(all(is_within(value, 0, _LARGEST) or value != value for value in others))
            for named in (metrics.best_epoch, metrics.kept_epoch, metrics.memorizing_from):
                require(is_count(named, 0, metrics.epoch))
    return naming_kept(naming_best(history)) if names_no_best_epoch(values) else history


def config_of(values: Mapping[str, Any]) -> PriorConfig:
    """Return the settings of a run.

    Raises:
        ModelFileError: they cannot be.
    """
    with reading_a_run():
        return PriorConfig(**values["config"])


def file_prior_of(values: Mapping[str, Any]) -> FilePrior | None:
    """Return the measure of the prior that a save replaces, None without one.

    Raises:
        ModelFileError: it is damaged.
    """
    with reading_a_run():
        if not values.get("file_prior"):
            return None
        found = FilePrior(**values["file_prior"])
        require(found.perplexity is None or is_within(found.perplexity, 0, _LARGEST))
        require(isinstance(found.decides, bool) and isinstance(found.sha256, str))
        return found


def temperatures_of(values: Mapping[str, Any]) -> dict[Keep, float]:
    """Return the temperatures of the weights to choose from; an older Distill's run has none.

    Raises:
        ModelFileError: they are damaged.
    """
    found = values.get("temperatures", {})
    with reading_a_run():
        require(isinstance(found, dict) and all(is_within(each, COLDEST, HOTTEST) for each in found.values()))
        return {Keep(which): float(temperature) for which, temperature in found.items()}


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    """Check the numbers that are shown and compared; a level of which nothing is held out has NaN."""
    require(are_finite({key: value for key, value in metadata.items() if key != "level_perplexities"}))
    require(all(is_within(metadata[key], 0, _LARGEST) for key in ("best_perplexity", "final_perplexity")))


def _check(values: Mapping[str, Any], name: str) -> None:
    keys = _KEYS if is_older(values) else _KEYS | _NEWER_KEYS
    with reading_a_run():
        require(has_keys(values, keys) and values.get("has_prior") is True)
        architecture = architecture_of(values["prior_config"])
    if architecture not in PRIORS:
        raise newer_run(values)
    with reading_a_run():
        history_of(values)
        config_of(values)
        file_prior_of(values)
        temperatures_of(values)
        if has_best(values):
            _check_metadata(values["prior_metadata"])
        if part := part_of(values):
            check_under_way(part)
            check_sums(part)
        check_schedule_numbers(values["schedule"])
        require(is_count(values["roll_backs"], 0, MAX_ROLL_BACKS + 1))
        require(is_count(values.get("patient_from", 0), 0, last_epoch(values)))
        if not is_older(values):
            require(values["number_format"] in NUMBER_FORMATS and is_count(values["joined"], 0, MOST_VARIANTS))
            epochs = [metrics["epoch"] for metrics in values["history"]]
            require(values["before_memorizing_epoch"] in (0, *epochs))
    schema.check_prior_header(_with_some_weights(values), name)


def _with_some_weights(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with the current weights in the place of the best, if there are none."""
    return values if has_best(values) else {**values, "prior_state_dict": values["current_state_dict"]}


def _check_tensors(values: Mapping[str, Any], name: str) -> None:
    for key in ("prior_state_dict", *_OTHER_WEIGHTS) if has_best(values) else ("current_state_dict",):
        if key == "prior_state_dict" or values.get(key):
            schema.check_prior_tensors({**values, "prior_state_dict": values[key]}, name)
    with reading_a_run():
        check_optimizer_numbers(values["optimizer_states"])


def _best_perplexity(values: Mapping[str, Any]) -> float:
    return float(values["prior_metadata"]["best_perplexity"])


def _codec_digest(values: Mapping[str, Any]) -> str:
    digest = values.get("codec_digest", values["prior_metadata"].get("codec_digest"))
    return digest if isinstance(digest, str) else ""


def _older_run_error() -> ModelFileError:
    return ModelFileError(
        "The unfinished training was made by an older Distill, which counted padding as sound: it can't be gone on "
        "with. Nothing was changed.",
        "Its best prior can still be saved (Use Best, --use-best); or train afresh.",
    )


PRIOR_RUNS = RunKind(PRIOR, _check, _check_tensors, _best_perplexity, _codec_digest, is_older, _older_run_error)
