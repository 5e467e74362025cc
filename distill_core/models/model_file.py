"""The reading of a model file with all checks: its facts alone, or its weights too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from distill_core.files.archive import FileStamp, read_archive, read_facts
from distill_core.models import schema
from distill_core.models.summary import ModelSummary, summarize

WEIGHT_KEYS = ("model_state_dict", "prior_state_dict")


def check_facts(values: Mapping[str, Any], name: str) -> None:
    """Check all values but the numbers in tensors, which need not be built.

    Raises:
        ModelFileError: an impossible value; says which.
    """
    schema.check_header(values, name)
    schema.check_shapes(values, name)


def summary_of_file(path: Path) -> ModelSummary:
    """Return the facts of a file without reading its tensors.

    Raises:
        ModelFileError: the file cannot be opened; says why.
    """
    values, stamp = read_facts(path)
    check_facts(values, path.name)
    return summarize(values, path, stamp)


def read_checked(path: Path) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's checked values with only the weights built, for nothing else is computed with, and its stamp."""
    values, stamp = read_archive(path, check_facts, build=WEIGHT_KEYS)
    schema.check_numbers(values, path.name)
    return values, stamp


def read_mapped(path: Path, build: Collection[str] | None = None) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's checked values with the tensors left in the file, which has to be this save's own, and its stamp.

    The system ends a process that touches a mapped file after another program has cut it short. If the file cannot be
    mapped, tensors under the keys in `build` (None: all) are built.
    """
    values, stamp = read_archive(path, check_facts, mapped=True, build=build)
    schema.check_numbers(values, path.name)
    return values, stamp
