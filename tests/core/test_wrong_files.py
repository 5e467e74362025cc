"""Samples of the harnesses whose long forms `python3 run.py soak` runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.soak import loading
from tests.warm_python import warm_python

pytest.importorskip("resource", reason="this system does not tell a process's memory")
ENOUGH_SECONDS = 300.0  # a bound for a hang, not for speed


@pytest.mark.parametrize(
    ("harness", "wanted", "fewest"),
    [
        (loading.mutated_files, 400, 400),
        (loading.attack_corpus, 45, 300),
        (loading.bit_flips, 200, 200),
        (loading.truncation, 3000, 3000),
    ],
)
def test_wrong_files_are_refused_and_the_control_fails(
    harness: Callable[[int, float], dict[str, Any]], wanted: int, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PYTHON", warm_python())
    outcome = harness(wanted, time.monotonic() + ENOUGH_SECONDS)
    assert outcome["violations"] == []
    assert outcome["control_failed"], outcome["facts"]
    assert outcome["done"] >= fewest
