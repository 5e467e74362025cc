"""A kind of training as the run folder knows it: the checks and the facts of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from distill_core.errors import ModelFileError
from distill_core.training.run_folder.checks import newer_run
from distill_core.training.run_folder.facts import Kind, UnfinishedRun
from distill_core.training.run_folder.format import check_common, common_facts, kind_name
from distill_core.training.run_folder.reached import has_best

Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunKind:
    """The checks and the facts of one kind's runs, beside those that all kinds share.

    `check` checks all but the tensors, which may be only described, `check_tensors` the tensors; both take the file's
    name and raise a `ModelFileError`. `best` returns the measure of the best epoch, `codec_digest` that of the codec
    that the training is for, or "". `is_best_only` tells whether an older Distill left the best weights alone,
    `best_only_error` returns the error of going on with such a run.
    """

    kind: Kind
    check: Callable[[Values, str], None]
    check_tensors: Callable[[Values, str], None]
    best: Callable[[Values], float]
    codec_digest: Callable[[Values], str]
    is_best_only: Callable[[Values], bool]
    best_only_error: Callable[[], ModelFileError]


RunKinds: TypeAlias = Mapping[str, RunKind]


def _kind_of(values: Values, kinds: RunKinds) -> RunKind:
    """Return the kind of a run that passed `check_common`.

    Raises:
        ModelFileError: it names no kind.
        NewerRunError: it names one of a newer Distill.
    """
    name = kind_name(values)
    if name not in kinds:
        raise newer_run(values)
    return kinds[name]


def check_run(values: Values, name: str, kinds: RunKinds) -> None:
    """Check all of a run but its tensors, which may be only described; `name` is the file's.

    Raises:
        ModelFileError: says what is wrong.
    """
    check_common(values, name)
    _kind_of(values, kinds).check(values, name)


def check_run_tensors(values: Values, name: str, kinds: RunKinds) -> None:
    """Check the tensors of a run that passed `check_run`.

    Raises:
        ModelFileError: says what is wrong.
    """
    _kind_of(values, kinds).check_tensors(values, name)


def facts_of(values: Values, kinds: RunKinds) -> UnfinishedRun:
    """Return the facts of a run that passed `check_run`."""
    own = _kind_of(values, kinds)
    return UnfinishedRun(
        kind=own.kind,
        best=own.best(values) if has_best(values) else None,
        codec_digest=own.codec_digest(values),
        is_best_only=own.is_best_only(values),
        **common_facts(values),
    )
