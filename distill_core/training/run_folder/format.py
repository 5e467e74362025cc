"""The format of a run's file: the keys that all kinds of training share, their checks, and the facts in them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from distill_core.audio.dataset import AudioDataset
from distill_core.errors import ModelFileError
from distill_core.launch import launch_id
from distill_core.models.persistence import now_utc
from distill_core.training.events import Ended, EpochMetrics
from distill_core.training.loop import KeptWeights
from distill_core.training.run_folder.checks import (
    KeyTypes,
    damaged_run,
    has_keys,
    is_within,
    newer_run,
    reading_a_run,
    require,
)
from distill_core.training.run_folder.facts import Kind
from distill_core.training.run_folder.reached import UNDER_WAY, check_epochs, has_best, reached_facts

FORMAT, VERSION = "distill_run", 5
UNMASKED_VERSION = 1  # counts padding: training cannot go on from it
_PATHS_VERSION = 2  # the last without a kind of training, and with a single folder of sounds
_BEST_CODEC_VERSION = 3  # the last with the best weights alone of a codec, and with epochs that name no best one
_WHOLE_EPOCHS_VERSION = 4  # the last that is written after whole epochs alone
_UNNAMED_KIND = "prior"  # of runs that name none: there was no other
LATEST_MOMENT = 2.5e11  # seconds since 1970: the year 9892, which every calendar still shows
_RUN_ID = re.compile("[0-9a-f]{32}")
_GO_ON = ("", Ended.STOPPED, Ended.TIME_LIMIT)  # the endings after which training can go on; "": it was cut off
_LONGEST_PATH, _MOST_SOURCES = 32_768, 100_000
# A list of contents has room for some thousand texts; no path has a zero in it, so a zero parts the paths in a text.
_MOST_SINGLE, _IN_ONE_TEXT, _MOST_LETTERS = 1000, 20, 8_000_000
MOST_KEPT_EPOCHS, MOST_CURVE_POINTS = 500, 10_000  # 20,000 and 40,000 opcodes

Epoch = TypeVar("Epoch", bound=EpochMetrics)
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
    _BEST_CODEC_VERSION: _KEYS,
    _WHOLE_EPOCHS_VERSION: _KEYS,
    VERSION: _KEYS | {UNDER_WAY: dict},
}


def sounds_of(dataset: AudioDataset) -> list[str]:
    """Return the paths of a training's sounds as its run holds them; of too many paths, their parent folders."""
    places = [str(source.resolve()) for source in dataset.sources]
    while len(places) > _MOST_SOURCES or sum(map(len, places)) > _MOST_LETTERS:
        places = sorted({os.path.dirname(place) for place in places})
    return _packed(places)


def _packed(texts: Sequence[str]) -> list[str]:
    if len(texts) <= _MOST_SINGLE:
        return [*texts]
    return ["\0".join(texts[start : start + _IN_ONE_TEXT]) for start in range(0, len(texts), _IN_ONE_TEXT)]


def _unpacked(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in text.split("\0")]


def _left_out_of(dataset: AudioDataset) -> list[str]:
    """Return the names of left-out sounds as a run holds them; of too many the run tells none."""
    names = sorted(dataset.left_out)
    return _packed(names) if sum(map(len, names)) <= _MOST_LETTERS else []


def left_out_in(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the sounds that a run's training does without; former versions know of none.

    Raises:
        TypeError, AttributeError: these are no names.
    """
    return frozenset(_unpacked(values.get("left_out", ())))


class HasRun(Protocol):
    """The part of a training that `common_values` reads."""

    run_id: str
    best: KeptWeights


def common_values(
    run: HasRun,
    kind: Kind,
    model: Path,
    dataset: AudioDataset,
    history: Sequence[Any],
    ended: Ended | None,
    *,
    codec_digest: str = "",
) -> dict[str, Any]:
    """Return the values of a state that do not depend on the kind; `ended` None: the training is under way.

    `history` has the epochs that are kept, as dataclasses; `codec_digest` is "" for a training without a codec's codes.
    """
    return {
        "kind": kind.name,
        "run_id": run.run_id,
        "model_path": str(model),
        "sounds": sounds_of(dataset),
        "left_out": _left_out_of(dataset),
        "written": now_utc(),
        "codec_digest": codec_digest,
        "best_epoch": run.best.epoch,
        "history": [asdict(metrics) for metrics in history],
        "ended": "" if ended is None else ended.value,
        "launch": launch_id(),
    }


def thinned(history: Sequence[Epoch], needed: Collection[int], most: int = MOST_KEPT_EPOCHS) -> list[Epoch]:
    """Return at most `most` epochs of a history, at even distances, and the ones in `needed`.

    The distance is a power of two, so that thinning again later keeps the same epochs.
    """
    step = 1
    while history and history[-1].epoch > most * step:
        step *= 2
    return [metrics for metrics in history if metrics.epoch % step == 0 or metrics.epoch in needed]


def comparable(path: Path) -> str:
    """Return a path with all links followed, so that it compares; one that can't be followed stays as it is."""
    try:
        return os.path.normcase(path.resolve())
    except (OSError, RuntimeError, ValueError):
        return os.path.normcase(path)


def is_older(values: Mapping[str, Any]) -> bool:
    """Tell whether a run is of an older Distill, which counted padding."""
    return bool(values["version"] == UNMASKED_VERSION)


def names_no_best_epoch(values: Mapping[str, Any]) -> bool:
    """Tell whether a run is of a version whose epochs do not name the best one so far."""
    return bool(values["version"] <= _BEST_CODEC_VERSION)


def naming_best(history: Iterable[Any]) -> list[Any]:
    """Return epochs, as dataclasses, each with the best one so far, judged as for the weights that are kept."""
    judge, named = KeptWeights(), []
    for metrics in history:
        judge.keep_if_better({}, metrics.val_loss, metrics.epoch)
        named.append(replace(metrics, best_epoch=judge.epoch))
    return named


def _is_former(values: Mapping[str, Any]) -> bool:
    """Tell whether a run is of a version without a kind, a date and more than one place of sounds."""
    return bool(values["version"] <= _PATHS_VERSION)


def kind_name(values: Mapping[str, Any]) -> str:
    """Return the name of a run's kind of training.

    Raises:
        ModelFileError: it names none.
    """
    name = _UNNAMED_KIND if _is_former(values) else values.get("kind")
    if not isinstance(name, str):
        raise damaged_run()
    return name


def _check_version(values: Mapping[str, Any], name: str) -> None:
    version = values.get("version")
    if values.get("format") != FORMAT or type(version) is not int:
        raise ModelFileError(f"“{name}” holds no unfinished training.", "Train afresh.")
    if version > VERSION:
        raise newer_run(values)
    if version not in _KEYS_OF:
        raise damaged_run()


def _is_path(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_PATH


def _sounds(values: Mapping[str, Any]) -> list[str]:
    if _is_former(values):
        return [values["sounds_path"]]
    return _unpacked(values["sounds"])


def _moment(text: str) -> float:
    """Return a date as ISO 8601 in seconds since 1970."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def check_common(values: Mapping[str, Any], name: str) -> None:
    """Check the keys that runs of each kind have; `name` is the file's.

    Raises:
        ModelFileError: the run is damaged, or the file holds none.
        NewerRunError: a newer Distill made it.
    """
    _check_version(values, name)
    with reading_a_run():
        require(has_keys(values, _KEYS_OF[values["version"]]))
        require(bool(_RUN_ID.fullmatch(values["run_id"])))  # it is the name of a folder
        sounds = _sounds(values)
        require(0 < len(sounds) <= _MOST_SOURCES and all(map(_is_path, [values["model_path"], *sounds])))
        require(isinstance(values.get("left_out", []), list) and len(left_out_in(values)) <= _MOST_SOURCES)
        require(values.get("ended", "") in ("", *Ended) and isinstance(values.get("launch", ""), str))
        if not _is_former(values):
            require(is_within(_moment(values["written"]), 0, LATEST_MOMENT))
        check_epochs(values)
        require(has_best(values) or values["ended"] in _GO_ON)


def common_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `UnfinishedRun` that do not depend on the kind, of values that passed `check_common`."""
    return {
        "run_id": values["run_id"],
        "model": Path(values["model_path"]),
        "sounds": tuple(map(Path, _sounds(values))),
        "left_out": left_out_in(values),
        "launch": values.get("launch", ""),
        **reached_facts(values),
        "has_ended": values["has_ended"] if is_older(values) else values["ended"] not in _GO_ON,
        "is_older": is_older(values),
        "written": 0.0 if _is_former(values) else _moment(values["written"]),
    }


def ended_of(values: Mapping[str, Any]) -> Ended:
    """Return how a run ended; one that was cut off counts as stopped."""
    if is_older(values):
        return Ended.LAST_EPOCH if values["has_ended"] else Ended.STOPPED
    return Ended(values["ended"] or Ended.STOPPED)
