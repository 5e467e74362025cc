"""All runs on disk, and the state of each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from distill_core.errors import DistillError
from distill_core.folders import is_gone, run_folders
from distill_core.models.persistence import read_codec_digest
from distill_core.training.run_folder.facts import ListedRun, RunState, UnfinishedRun
from distill_core.training.run_folder.kind import RunKinds
from distill_core.training.run_folder.stored import StoredRun


def codec_at(model: Path) -> str:
    """Return the digest of a model's codec, "" if it can't be read."""
    with suppress(DistillError):
        return read_codec_digest(model)
    return ""


def has_lost_its_model(facts: UnfinishedRun, codec_at: Callable[[Path], str]) -> bool:
    """Tell whether a run's model is gone from its path, or has another codec; `codec_at` returns a model's codec."""
    if is_gone(facts.model):
        return True
    return bool(facts.codec_digest) and codec_at(facts.model) not in ("", facts.codec_digest)


def _state(run: StoredRun, facts: UnfinishedRun | None, codec_at: Callable[[Path], str]) -> RunState:
    if run.is_busy():
        return RunState.IN_USE
    if facts is None:
        return RunState.UNREADABLE if run.newer() is None else RunState.NEWER
    if not facts.kind.makes_a_model and has_lost_its_model(facts, codec_at):
        return RunState.MODEL_GONE
    if facts.has_ended:
        return RunState.NOT_SAVED
    return RunState.UNFINISHED if facts.can_go_on else RunState.BEST_ONLY


def stored_runs(kinds: RunKinds) -> list[StoredRun]:
    """Return the runs that have a state, readable or not."""
    try:
        folders = sorted(run_folders().iterdir())
    except OSError:
        return []
    return [run for folder in folders if (run := StoredRun(folder, kinds)).exists]


def listed_runs(kinds: RunKinds) -> list[ListedRun]:
    """Return every run, the newest first."""
    found, codecs = [], cache(codec_at)
    for run in stored_runs(kinds):
        facts = run.look()
        written = (facts.written if facts is not None else 0.0) or run.written()
        found.append(ListedRun(run.id, facts, _state(run, facts, codecs), run.size(), written))
    return sorted(found, key=lambda listed: listed.written, reverse=True)
