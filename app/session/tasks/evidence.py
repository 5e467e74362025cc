"""The grounds of a verdict on a take: found by the judge, read to be heard, and proven by training again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from app.session.activity import Activity, Runner, Subject
from app.session.copying import ShownEvidence, SoundingPrior
from app.session.evidence import HeardEvidence, MomentKey
from app.session.proving import ProofState
from app.session.slots import Playable
from app.session.state import State
from app.session.task import Taken, Task
from app.session.tasks.copying import Judges, of_take, on_shelf
from app.session.tasks.shelving import is_open
from app.session.tasks.voices import Voice, Voices
from distill_core.errors import DatasetError, DistillError
from distill_core.events import OnEvent, ShouldStop, stop_point
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audit.proof import Proof
    from distill_core.generation.takes.folder import Take
    from distill_core.generation.takes.verdict import TakeVerdict

_Samples: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"

_RATE = 48_000  # Hz, that of takes
_HIGHEST_PEAK = 0.89  # −1 dBFS
_SPEEDS = {0: Fraction(1), 1: Fraction(16, 15), -1: Fraction(15, 16), 2: Fraction(9, 8), -2: Fraction(8, 9)}


def finding(
    model: Path,
    take: Take,
    voice: Voice,
    sounds: AudioDataset,
    prior: SoundingPrior | None,
    judges: Judges,
    voices: Voices,
) -> Task[ShownEvidence | None]:
    """Compare a take of the prior that sounds once more, for the grounds of its verdict; None for a silent one."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> ShownEvidence | None:
        stop_point(should_stop)
        judge = judges.of(of_take(voice(voices, model), take), sounds, should_stop)
        if judge is None:
            return None
        try:
            found = judge.evidence_on(take.codes(), take.facts["ends"], take.facts["prompt_steps"])
        except DistillError:
            if on_shelf(model, take.number) is None:  # it was deleted meanwhile
                return None
            raise
        if found is None:
            return None
        return ShownEvidence(take.number, found.verdict, found.agrees_WHQ.numpy(), found.active_WH.numpy(), found.file)

    def take_evidence(state: State, found: ShownEvidence | None) -> Taken:
        is_wanted = found is not None and state.copying.prior == prior and state.takes.chosen == found.number
        return (state.with_copying(evidence=found) if is_wanted else state), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take_evidence, Runner.LISTEN)


# Hearing


def _between(blocks: Iterator[Tensor], begin: int, end: int) -> _Samples:
    """Return the samples from one place to another of a sound that comes in blocks; its end may come sooner."""
    import torch

    parts, passed = [torch.zeros(0)], 0
    for block_T in blocks:
        parts.append(block_T[max(0, begin - passed) : max(0, end - passed)])
        passed += len(block_T)
        if passed >= end:
            break
    samples: _Samples = torch.cat(parts).numpy()
    return samples


def _part_of_take(take: Take, verdict: TakeVerdict) -> _Samples:
    from distill_core.audio.io import read_blocks

    return _between(read_blocks(take.wav, _RATE), *_places(verdict.begin_s, verdict.part_s))


def _moment_of(file: AudioFile, verdict: TakeVerdict, should_stop: ShouldStop) -> _Samples:
    """Return the moment of a sound as it was learned: where the take has it higher, that much higher."""
    from distill_core.audio.io import read_blocks

    speed = _SPEEDS.get(verdict.semitones, Fraction(1))
    blocks = read_blocks(file.path, _RATE, file.channel, speed, should_stop)
    return _between(blocks, *_places(verdict.time_s / float(speed), verdict.part_s))


def _places(begin_s: float, part_s: float) -> tuple[int, int]:
    return round(begin_s * _RATE), round((begin_s + part_s) * _RATE)


def _as_loud_as(samples_T: _Samples, other_T: _Samples) -> _Samples:
    """Return a sound as loud as another one, as far as its peaks allow: of two sounds the louder one seems better."""
    import numpy as np

    if not len(samples_T) or not len(other_T):
        return samples_T
    power, wanted = (float(np.sqrt(np.mean(np.square(each, dtype=np.float64)))) for each in (samples_T, other_T))
    peak = float(np.abs(samples_T).max())
    if not power or not peak:
        return samples_T
    louder: _Samples = (samples_T * min(wanted / power, _HIGHEST_PEAK / peak)).astype(np.float32)
    return louder


def hearing(model: Path, take: Take, verdict: TakeVerdict, file: AudioFile, words: str) -> Task[HeardEvidence]:
    """Read a take's part and its nearest moment, which `words` name, to be heard one against the other."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> HeardEvidence:
        from distill_core.audio.decoding.kinds import UnreadableSoundError

        try:
            take_T = _part_of_take(take, verdict)
        except UnreadableSoundError as error:
            text = f"Take {take.number} can't be played: {error}."
            raise DistillError(text, "Make it again with its seed, or delete it.") from error
        try:
            sound_T = _as_loud_as(_moment_of(file, verdict, should_stop), take_T)
        except UnreadableSoundError as error:
            name = printable(file.name, LONGEST_NAME)
            raise DatasetError(f"“{name}” can't be played: {error}.", "Choose the sounds again.") from error
        return HeardEvidence(
            take.number,
            verdict,
            Playable(f"A: Take {take.number}", take_T, _RATE, MomentKey(model, take.number, "take")),
            Playable(f"B: {words}", sound_T, _RATE, MomentKey(model, take.number, "sound")),
        )

    def take_heard(state: State, heard: HeardEvidence) -> Taken:
        return state, [("evidence_heard", heard)] if is_open(state, model) else []

    return Task(Activity.WORKING, Subject.HEARING, run, take_heard, Runner.SHELF)


# Proving


@dataclass(frozen=True, slots=True)
class ProvingProgress:
    """The progress of the proof for a take of a number, in optimizer steps."""

    number: int
    done: int
    total: int


def proving(model: Path, take: Take, file: AudioFile, sounds: AudioDataset) -> Task[Proof]:
    """Train again without a sound, and without another one, to prove that a take depends on it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Proof:
        from distill_core.audit.events import ProofProgress
        from distill_core.audit.proof import prove

        def tell(event: object) -> None:
            if isinstance(event, ProofProgress):
                on_event(ProvingProgress(take.number, event.done, event.total))

        parts = {name: take.facts[name] for name in ("ends", "prompt_steps")}
        return prove(model, sounds, take.codes(), file, **parts, on_event=tell, should_stop=should_stop)

    def take_proof(state: State, proof: Proof) -> Taken:
        if not is_open(state, model):
            return state, []
        proven = ProofState(take.number, sentence=proof.sentence, depends=proof.depends)
        return state.with_proofs(state.proofs.having(proven)), []

    return Task(Activity.WORKING, Subject.PROVING, run, take_proof, Runner.CHECK)
