"""The harnesses of several ranks see what is wrong, and end."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.soak.ranks import Outcome, Training, judge_curve, judge_killed


def _epoch(loss: float | None) -> dict[str, Any]:
    return {"event": "epoch", "train_loss": 1.0, "val_loss": loss, "best_perplexity": 2.0}


WHOLE = Outcome(0, [_epoch(1.0), _epoch(0.9)], [0], "")
KILLED = replace(WHOLE, known_at_starts=[0, 3, 9], kills=2)


def test_a_training_that_hangs_is_ended_and_says_so(tmp_path: Path) -> None:
    words = [sys.executable, "-c", 'import time; print(\'{"event": "start", "history": []}\'); time.sleep(600)']
    outcome = Training(words, dict(os.environ), tmp_path, longest_s=2).end()
    assert (outcome.code != 0, outcome.errors) == (True, "It hung: it had not ended after 2 s")


def test_a_training_of_which_no_rank_was_killed_is_a_violation() -> None:
    assert judge_killed(KILLED, WHOLE) == []
    assert judge_killed(WHOLE, WHOLE) == ["It began again 0 times after 0 kills"]
    assert judge_killed(replace(KILLED, kills=1), WHOLE) == ["It began again 2 times after 1 kills"]


def test_a_curve_with_a_loss_that_is_no_number_is_a_violation() -> None:
    assert judge_curve(WHOLE, WHOLE) == []
    for loss in (None, math.nan):
        assert judge_curve(replace(WHOLE, epochs=[_epoch(1.0), _epoch(loss)]), WHOLE)
        assert judge_curve(replace(WHOLE, epochs=[_epoch(loss), _epoch(0.9)]), WHOLE)
