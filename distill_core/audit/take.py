"""The verdict on a single take, by the baseline of its prior's audit, or one of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset, AudioFile
from distill_core.audio.variants import semitones_of
from distill_core.audit.judge import Compared, Judge
from distill_core.audit.learned import is_anonymous, read_learned
from distill_core.audit.record import audit_in
from distill_core.audit.verdict import LEAST_FILES, LEAST_POINTS, Baseline, Common, too_few_points_words, too_few_words
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.generation.plan import require_prior
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.models.persistence import LoadedVQModel


def sounds_of(codes_WHQ: Tensor, ends: Sequence[int], prompt_steps: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the sounds of a take, without the prompt that it goes on from, each with the step at which it begins."""
    begin = prompt_steps
    for end in (*ends, len(codes_WHQ)):
        if end > begin:
            yield begin, codes_WHQ[begin:end]
            begin = end


@dataclass(frozen=True, slots=True)
class TakeEvidence:
    """The grounds of a verdict on a take, in the part that is nearest to a known sound.

    `agrees_WHQ` tells of each code whether it is that of the nearest passage, `active_WH` which cells count. The
    passage is in `file`; the part begins in the take at `begin_s`.
    """

    verdict: TakeVerdict
    agrees_WHQ: Tensor
    active_WH: Tensor
    file: AudioFile


_Placed: TypeAlias = tuple[float, Compared]  # a part beside its nearest passage, and its place in the take in seconds


@dataclass(frozen=True, slots=True)
class TakeJudge:
    """A judge of takes; `reason` says why it can't tell of any, "" if it can. `names` are shown, or else digests."""

    judge: Judge
    baseline: Baseline
    names: bool = True
    reason: str = ""

    def verdict_on(self, codes_WHQ: Tensor, ends: Sequence[int] = (), prompt_steps: int = 0) -> TakeVerdict:
        """Return the verdict on a take's codes `[W, H, Q]`; `ends` are the steps after which a sound of it ends."""
        if self.reason:
            return TakeVerdict(Copying.CANT_TELL, reason=self.reason)
        nearest = self._nearest(codes_WHQ, ends, prompt_steps)
        if nearest is None:
            return TakeVerdict(Copying.CANT_TELL, reason="The take is nearly silent.")
        return self._verdict(nearest)

    def evidence_on(self, codes_WHQ: Tensor, ends: Sequence[int] = (), prompt_steps: int = 0) -> TakeEvidence | None:
        """Return the grounds of the verdict on a take, None if it is nearly silent."""
        nearest = self._nearest(codes_WHQ, ends, prompt_steps)
        if nearest is None:
            return None
        _, compared = nearest
        excerpt = compared.part.excerpt
        agrees_WHQ = torch.from_numpy(self.judge.learned.known.cells(excerpt, compared.passage))
        verdict = TakeVerdict(Copying.CANT_TELL, reason=self.reason) if self.reason else self._verdict(nearest)
        return TakeEvidence(verdict, agrees_WHQ, excerpt.active_WH, compared.file)

    def _nearest(self, codes_WHQ: Tensor, ends: Sequence[int], prompt_steps: int) -> _Placed | None:
        """Return the part of a take that is nearest to a copy, None if no part is heard."""
        found = [
            (begin * self.judge.step_s + compared.begin_s, compared)
            for begin, sound_WHQ in sounds_of(codes_WHQ, ends, prompt_steps)
            for compared in self.judge.compare(sound_WHQ)
        ]
        return max(found, key=lambda each: self.baseline.closeness(each[1].common), default=None)

    def _verdict(self, nearest: _Placed) -> TakeVerdict:
        begin_s, compared = nearest
        common, file = compared.common, compared.file
        return TakeVerdict(
            self._judged(common),
            common.agreement,
            common.run,
            common.active,
            common.likeness,
            file.name if self.names else file.digest,
            compared.time_s,
            semitones_of(compared.variant),
            begin_s,
            len(compared.part.excerpt.codes_WHQ) * self.judge.step_s,
        )

    def _judged(self, common: Common) -> Copying:
        if self.baseline.finds_copy(common):
            return Copying.COPY
        is_near = common.agreement > self.baseline.agreement or common.run > self.baseline.run
        return Copying.CLOSE_RELATIVE if is_near else Copying.NEW


def take_judge(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> TakeJudge | None:
    """Return the judge of a model's takes, None if none of the sounds is one that its prior learned from.

    Its baseline is that of the file's audit, if it has one that had all sounds at hand.

    Raises:
        ModelFileError: the model has no prior that can be read.
        Stopped: `should_stop()` turned true.
    """
    learned = read_learned(loaded, require_prior(loaded), dataset, on_event, should_stop, use_cache=use_cache)
    if learned is None:
        return None
    judge = Judge(loaded.model, loaded.geometry.step_s, learned)
    record = audit_in(loaded.prior_metadata or {})
    is_of_all = record is not None and not record.missing and record.baseline.points >= LEAST_POINTS
    baseline = record.baseline if record is not None and is_of_all else judge.baseline(should_stop)[0]
    reason = "" if learned.count >= LEAST_FILES else too_few_words(learned.count, learned.missing)
    if not reason and baseline.points < LEAST_POINTS:
        reason = too_few_points_words(baseline.points)
    return TakeJudge(judge, baseline, not is_anonymous(loaded), reason)
