"""kill −9 during saves: at random moments, into a small model and one of 5 MB in turn; and during restores.

A restore changes names within microseconds, which a random moment never hits. So every second one kills itself before
its Nth step on the disk, for all N in turn.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.soak.result import Moments, Result
from tests.soak.saver import Saver, kill_at, save_seconds
from tests.soak.subject import NEW, OLD, Subject, judge, judge_leftovers, judge_model, judge_swap

NAME = "kill −9 during saves"
CONTROL_KILLS = 200
RESTORES = "kill −9 during restores"
# What a restore does to the folder, and the write of a careless one.
STEPS = ("link", "replace", "unlink", "fsync", "write")


def _measured(subject: Subject, save: Callable[[], object], seed: int) -> Moments:
    subject.put()
    return Moments(save_seconds(save), seed)


def _killed_save(subject: Subject, save: Callable[[], object], moments: Moments) -> str:
    """Kill one save and return the saver's last word."""
    subject.put()
    told = kill_at(Saver(save), moments.next())
    moments.note(told == "begin")
    return told


def _refusals(told: str) -> list[str]:
    return [f"Refused, though nothing was in its way: {told}"] if told.startswith("refused") else []


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
            violations += _refusals(told) + judge(subjects[turn], told, OLD, NEW)
            done += 1
    facts = [f"{model}: {kept.fact()}" for model, kept in zip(("Small model", "Large model"), moments, strict=True)]
    violations += [doubt for kept in moments for doubt in kept.doubts()]
    return Result(NAME, wanted, done, violations, control_failed, None, time.monotonic() - start, facts)


def _die_before_step(number: int) -> None:
    """Have this process, a saver's own, kill itself before that step."""
    steps = count(1)

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            if next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        return take

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def _struck_at_step(subject: Subject, restore: Callable[[], object], number: int) -> str:
    subject.put()
    return Saver(restore, lambda: _die_before_step(number)).end()


def _number_of_steps(subject: Subject) -> int:
    return next(number for number in count(1) if _struck_at_step(subject, subject.restore, number) == "saved") - 1


def kills_during_restores(wanted: int, until: float) -> Result:
    """Kill `wanted` restores; the control renames the backup onto the model and then writes the other anew."""
    start, done, violations = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory(prefix="distill-restore-") as folder:
        subject = Subject(Path(folder, "models"))
        steps, moments = _number_of_steps(subject), _measured(subject, subject.restore, seed=0)
        told = _struck_at_step(subject, subject.unsafe_restore, 2)
        control = judge_swap(subject, told) if told == "begin" else []
        while done < wanted and (done == 0 or time.monotonic() < until):
            if done % 2:
                told = _killed_save(subject, subject.restore, moments)
            else:
                told = _struck_at_step(subject, subject.restore, 1 + done // 2 % steps)
            violations += _refusals(told) + judge_swap(subject, told) + judge_leftovers(subject)
            done += 1
    facts = [f"Half of them before one of the {steps} steps in turn. At random moments: {moments.fact()}"]
    facts += [f"Control. {words.removesuffix('.')}." for words in control]
    violations += moments.doubts()
    return Result(RESTORES, wanted, done, violations, bool(control), None, time.monotonic() - start, facts)
