"""Concurrent saver pairs: two processes save into one model that both opened before; in some pairs one is killed."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from distill_core import DistillError, read_summary
from distill_core.files.archive import FileStamp
from tests.soak.result import Moments, Result
from tests.soak.saver import Saver, save_seconds
from tests.soak.subject import NEW, OLD, OTHER, Subject, judge_backup, judge_leftovers

NAME = "concurrent saver pairs"
CONTROL_PAIRS = 20
# Of so many pairs, one has its first saver killed.
KILLED_EVERY = 4


def _number_in(subject: Subject) -> int | str:
    try:
        return subject.number_in(subject.path)
    except DistillError as error:
        return str(error)


def _other(number: int) -> int:
    return OTHER if number == NEW else NEW


def judge_pair(subject: Subject, told: dict[int, str], killed: int | None) -> list[str]:
    """Return what is wrong with a model after a pair: what each saver told last, and which of them was killed."""
    number, saved = _number_in(subject), [saver for saver, word in told.items() if word == "saved"]
    wrong = [f"A saver ended with {word}" for word in told.values() if word.startswith(("traceback", "hung"))]
    if number not in (OLD, NEW, OTHER):
        return [*wrong, f"Unloadable or another model: {number}"]
    if len(saved) > 1:
        wrong.append("Lost update: both were told “saved”")
    if len(saved) == 1 and number != saved[0]:
        wrong.append(f"Lost update: told “saved”, and prior {number} is there")
    if not saved and number == OLD and (killed is None or told[_other(killed)].startswith("refused")):
        wrong.append(f"Refused although nobody had saved: {told}")
    if not saved and number != OLD and number != killed:
        wrong.append(f"Refused, and prior {number} is there")
    wrong += [
        f"Refused without naming the change: {word}"
        for word in told.values()
        if word.startswith("refused") and "chang" not in word
    ]
    return wrong


class Pairs:
    """Runs two savers at once, at times that a seed decides."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self._subject, self._random = subject, random.Random(seed)
        self._seconds = save_seconds(lambda: subject.save(NEW))
        self.moments = Moments(1.5 * self._seconds, seed)

    def _saver(self, number: int, expected: FileStamp | None, pistol: int) -> Saver:
        # Half of all savers start at once, the others up to half a save later.
        delay = max(0.0, self._random.uniform(-self._seconds / 2, self._seconds / 2))

        def wait() -> None:
            os.read(pistol, 1)
            time.sleep(delay)

        return Saver(lambda: self._subject.save(number, expected), wait)

    def run(self, stamp: Callable[[Path], FileStamp | None], kill: bool) -> tuple[dict[int, str], int | None]:
        """Run a pair; return each saver's last word, and which one was killed before it could tell how it ended."""
        self._subject.put()
        expected = stamp(self._subject.path)
        waiting, pistol = os.pipe()
        savers = {number: self._saver(number, expected, waiting) for number in (NEW, OTHER)}
        for saver in savers.values():
            saver.wait_for_begin()
        os.write(pistol, b"go")
        if kill:
            time.sleep(self.moments.next())
            savers[NEW].send(signal.SIGKILL)
        told = {number: saver.end() for number, saver in savers.items()}
        os.close(waiting)
        os.close(pistol)
        killed = NEW if told[NEW] == "begin" else None
        if kill:
            self.moments.note(killed is not None)
        return told, killed

    def control_fails(self) -> bool:
        """Tell whether savers that do not say what they opened overwrite each other."""
        return any(judge_pair(self._subject, *self.run(lambda path: None, kill=False)) for _ in range(CONTROL_PAIRS))


def _stamp(path: Path) -> FileStamp:
    return read_summary(path).stamp


def saver_pairs(wanted: int, until: float) -> Result:
    """Run `wanted` pairs; the control's savers do not say what they expect to find."""
    start, done, violations = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory(prefix="distill-pairs-") as folder:
        subject = Subject(Path(folder, "models"))
        pairs = Pairs(subject, seed=0)
        control_failed = pairs.control_fails()
        while done < wanted and (done == 0 or time.monotonic() < until):
            told, killed = pairs.run(_stamp, kill=done % KILLED_EVERY == KILLED_EVERY - 1)
            last = "saved" if "saved" in told.values() else "refused"
            wrong = judge_pair(subject, told, killed) + judge_backup(subject, last, OLD) + judge_leftovers(subject)
            violations += [f"{violation} ({told[NEW]} | {told[OTHER]})" for violation in wrong]
            done += 1
    violations += pairs.moments.doubts()
    facts = [f"One saver was killed in {pairs.moments.struck} pairs: {pairs.moments.fact()}"]
    return Result(NAME, wanted, done, violations, control_failed, None, time.monotonic() - start, facts)
