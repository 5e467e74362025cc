"""What a harness answers: how much it did, what went wrong, and whether its control failed as it must."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, TypeAlias

TELLING = 30
Record: TypeAlias = dict[str, Any]  # the seven fields of a result; in a report also its words, date and machine


@dataclass(frozen=True, slots=True)
class Result:
    """One harness's outcome; `facts` are sentences for the readable report only.

    `control_failed` is True iff the same harness saw violations where the protection was taken away.
    """

    name: str
    wanted: int
    done: int
    violations: list[str]
    control_failed: bool
    skipped: str | None
    seconds: float
    facts: list[str] = field(default_factory=list)

    @property
    def is_green(self) -> bool:
        """Whether something was done, nothing went wrong, and the control failed."""
        return is_green(self.record())

    def record(self) -> Record:
        """Return the seven fields of the machine's report; `violations` is a count there."""
        values = asdict(self)
        del values["facts"]
        return values | {"violations": len(self.violations), "seconds": round(self.seconds, 1)}


def is_green(record: Record) -> bool:
    """Tell whether something was done, nothing went wrong, and the control failed."""
    return bool(record["done"] > 0 and not record["violations"] and record["control_failed"])


def result_of(answer: object) -> Result:
    """Return a harness's answer, a dataclass or a mapping with the seven fields, as a Result."""
    if isinstance(answer, Result):
        return answer
    if is_dataclass(answer) and not isinstance(answer, type):
        return Result(**asdict(answer))
    if isinstance(answer, Mapping):
        return Result(**answer)
    raise TypeError(f"a harness answered with {type(answer).__name__}")


def not_run(name: str, wanted: int, reason: str) -> Result:
    """Return the outcome of a harness that cannot run here."""
    return Result(name, wanted, 0, [], False, reason, 0.0)


class Moments:
    """Random moments to strike at, spread from a save's start to a little after its end.

    Steered by where the strikes fell, because a save takes longer on a busy machine than when it was measured.
    """

    def __init__(self, save_seconds: float, seed: int, inside_share: float = 0.7) -> None:
        self._longest, self._random, self._share = save_seconds / inside_share, random.Random(seed), inside_share
        self.inside = self.struck = 0

    def next(self) -> float:
        """Return seconds after the save's start."""
        return self._random.uniform(0, self._longest)

    def note(self, was_inside: bool) -> None:
        """Tell whether the strike at the last moment came before the save had ended."""
        self.struck += 1
        self.inside += was_inside
        self._longest *= 1.08 if self.inside > self._share * self.struck else 0.92

    def restart(self) -> None:
        """Count from nothing again; the span stays as steered."""
        self.inside = self.struck = 0

    def doubts(self) -> list[str]:
        """Return what speaks against the strikes: fewer than half of them hit inside a save. A few tell nothing."""
        is_bad = self.struck >= TELLING and 2 * self.inside < self.struck
        return [f"Struck beside the save: {self.fact()}"] if is_bad else []

    def fact(self) -> str:
        """Return how many strikes hit inside a save, as a sentence."""
        return f"{self.inside} of {self.struck} hit inside the save, the others after it."
