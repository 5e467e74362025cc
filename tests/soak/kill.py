"""kill −9 during saves: at random moments, into a small model and one of 5 MB in turn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.soak.result import Moments, Result
from tests.soak.saver import Saver, kill_at, save_seconds
from tests.soak.subject import NEW, OLD, Subject, judge, judge_model

NAME = "kill −9 during saves"
CONTROL_KILLS = 200


def _measured(subject: Subject, save: Callable[[], object], seed: int) -> Moments:
    subject.put()
    return Moments(save_seconds(save), seed)


def _killed_save(subject: Subject, save: Callable[[], object], moments: Moments) -> str:
    """Kill one save and return the saver's last word."""
    subject.put()
    told = kill_at(Saver(save), moments.next())
    moments.note(told != "saved")
    return told


def _control_fails(subject: Subject) -> bool:
    save = subject.unsafe_save(NEW)
    moments = _measured(subject, save, seed=1)
    return any(judge_model(subject, _killed_save(subject, save, moments), OLD, NEW) for _ in range(CONTROL_KILLS))


def kills_during_saves(wanted: int, until: float) -> Result:
    """Kill `wanted` savers; the control saves straight onto the file."""
    start, done, violations = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory(prefix="distill-kill-") as folder:
        subjects = [Subject(Path(folder, "small")), Subject(Path(folder, "large"), hidden_size=256)]
        control_failed = _control_fails(subjects[0])
        saves = [lambda subject=subject: subject.save(NEW) for subject in subjects]
        moments = [_measured(subject, save, seed=0) for subject, save in zip(subjects, saves, strict=True)]
        while done < wanted and (done == 0 or time.monotonic() < until):
            turn = done % len(subjects)
            told = _killed_save(subjects[turn], saves[turn], moments[turn])
            violations += judge(subjects[turn], told, OLD, NEW)
            done += 1
    facts = [f"{model}: {kept.fact()}" for model, kept in zip(("Small model", "Large model"), moments, strict=True)]
    violations += [doubt for kept in moments for doubt in kept.doubts()]
    return Result(NAME, wanted, done, violations, control_failed, None, time.monotonic() - start, facts)
