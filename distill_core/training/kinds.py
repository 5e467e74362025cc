"""All kinds of training, and their runs on disk."""

from __future__ import annotations

from pathlib import Path

from distill_core.training.codec.run_kind import CODEC_RUNS
from distill_core.training.prior.run_kind import PRIOR_RUNS
from distill_core.training.run_folder import listing
from distill_core.training.run_folder.facts import ListedRun, UnfinishedRun, recoverable
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.stored import StoredRun

RUN_KINDS = {each.kind.name: each for each in (PRIOR_RUNS, CODEC_RUNS)}


def prior_runs(model: str | Path) -> RunFolder:
    """Return the place of the runs of a model's prior; all links to a model have the same place."""
    return RunFolder(model, PRIOR_RUNS, RUN_KINDS)


def codec_runs(output: str | Path) -> RunFolder:
    """Return the place of the runs of a codec that is to be saved at `output`."""
    return RunFolder(output, CODEC_RUNS, RUN_KINDS)


def stored_run(run_id: str) -> StoredRun:
    """Return the folder of a run of any kind."""
    return StoredRun.named(run_id, RUN_KINDS)


def listed_runs() -> list[ListedRun]:
    """Return every run on disk, the newest first."""
    return listing.listed_runs(RUN_KINDS)


def unfinished_runs() -> list[UnfinishedRun]:
    """Return the runs that the window offers, the newest first."""
    return [*recoverable(listed_runs())]
