"""The audit: whether what a prior makes are copies of the sounds that it learned from.

The measures are those of "Generation or Replication" (2023) and Batlle-Roca et al. (2024), the comparison with how much
sounds have in common that are no copies that of Merrill et al. (2024) and Meehan et al. (2020).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset
from distill_core.audio.variants import semitones_of
from distill_core.audit.excerpts import LONGEST_EXCERPT_S
from distill_core.audit.judge import Compared, Judge
from distill_core.audit.learned import LearnedSounds, is_anonymous, missing_sounds, read_learned
from distill_core.audit.nearness import data_copying_z
from distill_core.audit.record import AuditRecord, AuditSettings, LeanedOn
from distill_core.audit.verdict import (
    LEAST_FILES,
    LEAST_POINTS,
    AuditVerdict,
    Baseline,
    Common,
    Findings,
    too_few_points_words,
    too_few_words,
)
from distill_core.device import using_training_threads
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.generation.plan import fitted_sampling, require_prior
from distill_core.generation.sounds import draw_set
from distill_core.models.persistence import LoadedVQModel, now_utc
from distill_core.models.prior import Prior
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.sound_codes import SoundCodes, first_codes, without_silence
from distill_core.training.prior.validation import heard_losses

_MOST_CODES_WEIGHED = 200_000
_CONFIDENT_NATS = -math.log(0.9)


@dataclass(frozen=True, slots=True)
class AuditedSample:
    """A sample and its nearest moment: the file's name, the seconds into it, and its transposition there."""

    seed: int
    is_copy: bool
    agreement: float
    coarse: float
    run: int
    active: int
    likeness: float
    file: str
    time_s: float
    semitones: int

    @property
    def common(self) -> Common:
        """What it has in common with that moment."""
        return Common(self.agreement, self.coarse, self.run, self.active, self.likeness)


@dataclass(frozen=True, slots=True)
class MemorizationAudit:
    """The result of an audit.

    `copy_rate` is the share of the samples that are copies, with its 95 % interval; `z` is Meehan's statistic,
    `confident_excess` how much more often the prior is sure of a code of what it learned than of what was held out.
    `reason` says why it can't tell, "" if it can. `missing` counts sounds of the training that were not at hand.
    """

    verdict: AuditVerdict
    copy_rate: float
    copy_rate_interval: tuple[float, float]
    z: float
    confident_excess: float
    samples: tuple[AuditedSample, ...]
    skipped: int
    baseline: Baseline
    settings: AuditSettings
    date: str
    reason: str = ""
    missing: int = 0

    @property
    def leans_on(self) -> tuple[LeanedOn, ...]:
        """The sounds that the samples lie nearest to, those of most samples first."""
        nearest, copied = (
            Counter(sample.file for sample in self.samples if sample.is_copy or not only_copies)
            for only_copies in (False, True)
        )
        return tuple(LeanedOn(file, count, copied[file]) for file, count in nearest.most_common())

    @property
    def record(self) -> AuditRecord:
        """The numbers without the samples, for the model's file."""
        return AuditRecord(
            self.verdict,
            self.copy_rate,
            self.copy_rate_interval,
            self.z,
            self.confident_excess,
            len(self.samples),
            self.skipped,
            self.baseline,
            self.settings,
            self.leans_on,
            self.date,
            self.reason,
            self.missing,
        )


def _confident_share(
    prior: Prior,
    sounds: Sequence[SoundCodes],
    silence_WHQ: Tensor,
    codes_per_second: int,
    should_stop: ShouldStop,
) -> float:
    """Return the share of codes that a prior gives more than 0.9 to; NaN if none of a sound's steps is heard."""
    heard = without_silence(sounds, silence_WHQ)
    if not sum(sound.count for sound in heard):
        return math.nan
    losses = heard_losses(prior, sounds, silence_WHQ, codes_per_second, should_stop)
    losses_N = torch.cat([each.flatten() for each in losses.sounds])
    losses_N = losses_N[losses_N.isfinite()]
    return float((losses_N < _CONFIDENT_NATS).double().mean()) if len(losses_N) else math.nan


def confident_excess(loaded: LoadedVQModel, prior: Prior, learned: LearnedSounds, should_stop: ShouldStop) -> float:
    """Return P(p > 0.9 | learned) − P(p > 0.9 | held out) over codes; NaN where nothing is held out that is heard."""
    if not learned.held_out:
        return math.nan
    unit = loaded.geometry.chunk_steps if prior.layout == "chunks" else 1
    parts = (first_codes(sounds, _MOST_CODES_WEIGHED, unit) for sounds in (learned.train, learned.held_out))
    silence_WHQ, codes_per_second = (
        codes_of_silence(loaded, prior.layout, should_stop),
        loaded.geometry.codes_per_second,
    )
    known, held_out = (_confident_share(prior, part, silence_WHQ, codes_per_second, should_stop) for part in parts)
    return known - held_out


def _sample(seed: int, compared: Sequence[Compared], baseline: Baseline, *, names: bool) -> AuditedSample:
    nearest = max(compared, key=lambda each: baseline.closeness(each.common))
    return AuditedSample(
        seed,
        baseline.finds_copy(nearest.common),
        **asdict(nearest.common),
        file=nearest.file.name if names else nearest.file.digest,
        time_s=nearest.time_s,
        semitones=semitones_of(nearest.variant),
    )


def _reason(learned: LearnedSounds, findings: Findings) -> str:
    """Return why nothing can be told, in a sentence, or ""."""
    if findings.verdict is not AuditVerdict.CANT_TELL:
        return ""
    if findings.files < LEAST_FILES:
        return too_few_words(findings.files, learned.missing)
    if not learned.held_out or math.isnan(findings.confident_excess):
        return "Nothing that can be heard was kept aside to compare with."
    if findings.baseline_points < LEAST_POINTS:
        return too_few_points_words(findings.baseline_points)
    return "The samples are nearly silent."


def audit_samples(
    loaded: LoadedVQModel,
    learned: LearnedSounds,
    samples: Sequence[Tensor],
    settings: AuditSettings,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> MemorizationAudit:
    """Return the audit of given samples, codes `[W, H, Q]` each, against the sounds that a prior learned from.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    prior = require_prior(loaded)
    judge = Judge(loaded.model, loaded.geometry.step_s, learned)
    baseline, points = judge.baseline(should_stop)
    progress, found = ProgressReporter(Phase.COMPARE, len(samples), on_event), list[AuditedSample]()
    for done, codes_WHQ in enumerate(samples, start=1):
        stop_point(should_stop)
        if compared := [*judge.compare(codes_WHQ)]:
            found.append(_sample(settings.seed + done - 1, compared, baseline, names=not is_anonymous(loaded)))
        progress.update(done)
    findings = Findings(
        learned.count,
        baseline.points,
        len(found),
        sum(sample.is_copy for sample in found),
        data_copying_z([sample.common for sample in found], points),
        confident_excess(loaded, prior, learned, should_stop),
    )
    return MemorizationAudit(
        findings.verdict,
        findings.copy_rate,
        findings.interval,
        findings.z,
        findings.confident_excess,
        tuple(found),
        len(samples) - len(found),
        baseline,
        settings,
        now_utc(),
        _reason(learned, findings),
        learned.missing,
    )


def _cannot_tell(settings: AuditSettings, count: int, missing: int) -> MemorizationAudit:
    """Return the audit of a prior of whose sounds there are too few, or none."""
    return MemorizationAudit(
        AuditVerdict.CANT_TELL,
        0.0,
        (0.0, 1.0),
        math.nan,
        math.nan,
        (),
        0,
        Baseline.none(),
        settings,
        now_utc(),
        too_few_words(count, missing),
        missing,
    )


def audit(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    settings: AuditSettings | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> MemorizationAudit:
    """Draw samples from a model's prior and judge whether they are copies of the sounds that it learned from.

    `dataset` has those sounds. The same seed gives the same audit. Nothing is written but codes into the user's cache.

    Raises:
        ConfigError: an impossible setting; names the field.
        ModelFileError: the model has no prior that can be read.
        Stopped: `should_stop()` turned true.
    """
    settings = settings or AuditSettings()
    prior, sampling = require_prior(loaded), fitted_sampling(loaded, settings.sampling)
    with using_training_threads():
        learned = read_learned(loaded, prior, dataset, on_event, should_stop, use_cache=use_cache)
        if learned is None:
            return _cannot_tell(settings, 0, missing_sounds(loaded, dataset))
        if learned.count < LEAST_FILES:
            return _cannot_tell(settings, learned.count, learned.missing)
        longest_s = min(LONGEST_EXCERPT_S, max(file.duration_s for file in learned.files))
        samples = draw_set(
            prior,
            loaded.geometry,
            sampling,
            settings.samples,
            settings.seed,
            longest_s,
            on_event=on_event,
            should_stop=should_stop,
        )
        return audit_samples(loaded, learned, samples, settings, on_event=on_event, should_stop=should_stop)
