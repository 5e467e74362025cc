"""What a run's file holds, whatever was trained: its keys, and the checks that each kind of training shares."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset
from distill_core.errors import ConfigError, ModelFileError
from distill_core.memory import is_short_of_memory
from distill_core.training.codec.events import VQVAEEpochMetrics
from distill_core.training.events import Ended
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.run_folder.facts import Kind

FORMAT, VERSION = "distill_run", 3
UNMASKED_VERSION = 1  # counted padding: it cannot be gone on with
_PATHS_VERSION = 2  # the last without a kind of training, and with a single folder of sounds
MOST_EPOCHS = 1_000_000
LATEST_MOMENT = 2.5e11  # seconds since 1970: the year 9892, which every calendar still shows
_RUN_ID = re.compile("[0-9a-f]{32}")
_GO_ON = ("", Ended.STOPPED, Ended.TIME_LIMIT)  # how a run that can be gone on with may have ended
_LONGEST_PATH, _MOST_SOURCES = 32_768, 100_000
# A list of contents has room for some thousand texts; no path has a zero in it, so many stand in one.
_MOST_SINGLE, _IN_ONE_TEXT, _MOST_LETTERS = 1000, 20, 8_000_000
MOST_KEPT_EPOCHS, MOST_CURVE_POINTS = 500, 10_000  # 20,000 and 40,000 opcodes

Epoch = TypeVar("Epoch", PriorEpochMetrics, VQVAEEpochMetrics)
KeyTypes = dict[str, type | tuple[type, ...]]
_KEYS: KeyTypes = {
    "run_id": str,
    "model_path": str,
    "sounds": list,
    "written": str,
    "codec_digest": str,
    "best_epoch": int,
    "history": list,
    "ended": str,
}
_FORMER_KEYS: KeyTypes = {
    "run_id": str,
    "model_path": str,
    "sounds_path": str,
    "best_epoch": int,
    "history": list,
}
_KEYS_OF: dict[int, KeyTypes] = {
    UNMASKED_VERSION: _FORMER_KEYS | {"has_ended": bool},
    _PATHS_VERSION: _FORMER_KEYS | {"ended": str},
    VERSION: _KEYS,
}


class NewerRunError(ModelFileError):
    """A run's state was made by a newer Distill; `model` is the path of its model, as far as that can be told."""

    model = Path()


def newer_run(values: Mapping[str, Any]) -> NewerRunError:
    """Return the error of a run's state that only a newer Distill understands."""
    error = NewerRunError(
        "The unfinished training was made by a newer Distill; nothing was changed.",
        "Please update Distill. A training afresh leaves it as it is.",
    )
    path = values.get("model_path")
    error.model = Path(path if isinstance(path, str) else "")
    return error


def older_run() -> ModelFileError:
    """Return the error of going on with a run that an older Distill left."""
    return ModelFileError(
        "The unfinished training was made by an older Distill, which counted padding as sound: it can't be gone on "
        "with. Nothing was changed.",
        "Its best prior can still be saved (Use Best, --use-best); or train afresh.",
    )


def damaged_run() -> ModelFileError:
    """Return the error of a run whose file is of this format, and does not hold what it should."""
    return ModelFileError(
        "The unfinished training can't be read: its file is damaged.",
        "Train afresh; distill runs lists it, and discards it.",
    )


@contextmanager
def reading_a_run() -> Iterator[None]:
    """Answer a value of a run's state that does not fit in words; only what takes such values stands inside.

    Raises:
        ModelFileError: instead of whatever the value led to.
    """
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, ConfigError) as error:
        if is_short_of_memory(error):
            raise
        raise damaged_run() from error


def require(holds: bool) -> None:
    """Check what a run's state has to fulfil.

    Raises:
        ModelFileError: it does not.
    """
    if not holds:
        raise damaged_run()


def is_within(value: object, least: float, most: float) -> bool:
    """Tell whether a value is a number from `least` to `most`; NaN, infinity, yes and no are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def is_count(value: object, least: int, most: int) -> bool:
    """Tell whether a value is a whole number from `least` to `most`."""
    return type(value) is int and least <= value <= most


def are_finite(value: Any) -> bool:
    """Tell whether every number in plain values and tensors is finite; tensors that are only described are left out."""
    if isinstance(value, Tensor):
        # The least and the greatest number, which NaN takes over: many times faster than a mask of all.
        is_empty = not value.is_floating_point() or not value.numel()
        return is_empty or bool(torch.isfinite(torch.stack(torch.aminmax(value))).all())
    if isinstance(value, Mapping):
        return all(map(are_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(are_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def sounds_of(dataset: AudioDataset) -> list[str]:
    """Return where the sounds of a training come from, as its run holds it: of too many places the folders above."""
    places = [str(source.resolve()) for source in dataset.sources]
    while len(places) > _MOST_SOURCES or sum(map(len, places)) > _MOST_LETTERS:
        places = sorted({os.path.dirname(place) for place in places})
    if len(places) <= _MOST_SINGLE:
        return places
    return ["\0".join(places[start : start + _IN_ONE_TEXT]) for start in range(0, len(places), _IN_ONE_TEXT)]


def thinned(history: Sequence[Epoch], needed: Collection[int], most: int = MOST_KEPT_EPOCHS) -> list[Epoch]:
    """Return the epochs of a history at even distances, as many as a file has room for, with those that are needed.

    The distance is a power of two, so that what is thinned again later has the same epochs.
    """
    step = 1
    while history and history[-1].epoch > most * step:
        step *= 2
    return [metrics for metrics in history if metrics.epoch % step == 0 or metrics.epoch in needed]


def comparable(path: Path) -> str:
    """Return what is the same for the same file, whatever links lead to it; where it can't be followed, its name."""
    try:
        return os.path.normcase(path.resolve())
    except (OSError, RuntimeError, ValueError):
        return os.path.normcase(path)


def is_older(values: Mapping[str, Any]) -> bool:
    """Tell whether an older Distill, which counted padding, left a run."""
    return bool(values["version"] == UNMASKED_VERSION)


def kind_of(values: Mapping[str, Any]) -> Kind:
    """Return what a run trains.

    Raises:
        ModelFileError: it names no kind.
        NewerRunError: it names one of a newer Distill.
    """
    name = values.get("kind") if values["version"] == VERSION else Kind.PRIOR
    if not isinstance(name, str):
        raise damaged_run()
    if name not in [*Kind]:
        raise newer_run(values)
    return Kind(name)


def _check_version(values: Mapping[str, Any], name: str) -> None:
    version = values.get("version")
    if values.get("format") != FORMAT or type(version) is not int:
        raise ModelFileError(f"“{name}” holds no unfinished training.", "Train afresh.")
    if version > VERSION:
        raise newer_run(values)
    if version not in _KEYS_OF:
        raise damaged_run()


def has_keys(values: Mapping[str, Any], keys: KeyTypes) -> bool:
    """Tell whether all keys are there, with values of their types."""
    return all(isinstance(values.get(key), kind) for key, kind in keys.items())


def _is_path(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_PATH


def _sounds(values: Mapping[str, Any]) -> list[str]:
    if values["version"] != VERSION:
        return [values["sounds_path"]]
    return [path for text in values["sounds"] for path in text.split("\0")]


def _moment(text: str) -> float:
    """Return a date as ISO 8601 in seconds since 1970."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _check_epochs(values: Mapping[str, Any]) -> None:
    """Check that the epochs come in order, and that the best is one of them."""
    last = 0
    require(bool(values["history"]))
    for metrics in values["history"]:
        require(isinstance(metrics, dict) and all(isinstance(name, str) for name in metrics))
        require(is_count(metrics.get("total_epochs"), 1, MOST_EPOCHS))
        require(is_count(metrics.get("epoch"), last + 1, metrics["total_epochs"]))
        last = metrics["epoch"]
    require(values["best_epoch"] in [metrics["epoch"] for metrics in values["history"]])


def check_common(values: Mapping[str, Any], name: str) -> None:
    """Check the keys that runs of each kind have; `name` is the file's.

    Raises:
        ModelFileError: they are not as they should be.
        NewerRunError: they are a newer Distill's.
    """
    _check_version(values, name)
    with reading_a_run():
        require(has_keys(values, _KEYS_OF[values["version"]]))
        require(bool(_RUN_ID.fullmatch(values["run_id"])))  # a folder bears it as its name
        sounds = _sounds(values)
        require(0 < len(sounds) <= _MOST_SOURCES and all(map(_is_path, [values["model_path"], *sounds])))
        require(values.get("ended", "") in ("", *Ended))
        if values["version"] == VERSION:
            require(is_within(_moment(values["written"]), 0, LATEST_MOMENT))
        _check_epochs(values)


def common_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `UnfinishedRun` that do not depend on the kind, of values that passed `check_common`."""
    last = values["history"][-1]
    return {
        "run_id": values["run_id"],
        "model": Path(values["model_path"]),
        "sounds": tuple(map(Path, _sounds(values))),
        "epoch": last["epoch"],
        "total_epochs": last["total_epochs"],
        "best_epoch": values["best_epoch"],
        "has_ended": values["has_ended"] if is_older(values) else values["ended"] not in _GO_ON,
        "is_older": is_older(values),
        "kind": kind_of(values),
        "written": _moment(values["written"]) if values["version"] == VERSION else 0.0,
    }


def ended_of(values: Mapping[str, Any]) -> Ended:
    """Return how a run ended; one that was cut off counts as stopped."""
    if is_older(values):
        return Ended.LAST_EPOCH if values["has_ended"] else Ended.STOPPED
    return Ended(values["ended"] or Ended.STOPPED)
