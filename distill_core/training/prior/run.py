"""What a prior's training changes, epoch by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from time import perf_counter
from typing import Any, TypeAlias
from uuid import uuid4

import torch

from distill_core.errors import DatasetError, ModelFileError
from distill_core.events import OnEvent, ShouldStop, never, stop_point
from distill_core.models.architectures import Prior
from distill_core.training.data.codes import SplitCodes
from distill_core.training.data.sound_codes import SoundCodes, by_step, first_codes
from distill_core.training.data.windows import CodeWindows
from distill_core.training.loop import MAX_ROLL_BACKS, Diverged, KeptWeights, copy_of, diverged
from distill_core.training.prior.baselines import sibling_agreement, unigram_perplexities
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.epoch import CodeLosses, as_windows, train_prior_epoch, validate
from distill_core.training.prior.events import FilePrior, PriorEpochMetrics, Verdict, perplexity
from distill_core.training.prior.memorization import (
    Evidence,
    check_memorization,
    memorization_message,
    standard_error,
    verdict_on,
)
from distill_core.training.prior.number_format import number_format
from distill_core.training.prior.optimizers import build_optimizer, warm_up_and_cosine, warm_up_steps

_MIN_EPOCH_STEPS = 4
# So far above guessing a loss is no learner's any more, once the learning rate has been at its height for a while.
_WORSE_THAN_GUESSING_NATS, _STEPS_BEFORE_JUDGING = 1.0, 20
JoinVariant: TypeAlias = Callable[[SplitCodes, OnEvent, ShouldStop], SplitCodes]


def _enough_for_an_epoch(windows: CodeWindows) -> CodeWindows:
    """Return the codes as often as an epoch needs to have some steps: one step on a handful of sounds is too little.

    With 15 drum sounds 50 epochs of one step each ended at perplexity 14.0, of five steps at 8.3.
    """
    return windows.repeated(math.ceil(_MIN_EPOCH_STEPS / len(windows)))


@dataclass
class PriorRun:
    """What training changes: weights, optimizer, schedule, order of the data, the best so far and the history.

    `grid` is a second's (bands, steps); `join_variant` encodes one more variant of each training sound, up to
    `variants`; `file_prior` is what a save would replace. `last` and `before_memorizing` are the weights of the last
    epoch, and the best before the first epoch whose verdict is that it memorizes.

    Raises:
        Stopped: `should_stop()` turned true while the sounds were compared.
    """

    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    file_count: int
    grid: tuple[int, int]
    vqvae_config: Mapping[str, Any]
    codec_digest: str
    join_variant: JoinVariant
    variants: int = 0
    format: str = ""
    file_prior: FilePrior | None = None
    best: KeptWeights = field(default_factory=KeptWeights)
    last: KeptWeights = field(default_factory=KeptWeights)
    before_memorizing: KeptWeights = field(default_factory=KeptWeights)
    history: list[PriorEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0
    is_inside_an_epoch: bool = False
    run_id: str = field(default_factory=lambda: uuid4().hex)
    should_stop: InitVar[ShouldStop] = never

    def __post_init__(self, should_stop: ShouldStop) -> None:
        config, codes = self.config, self.codes
        device = next(self.prior.parameters()).device
        self.format = self.format or number_format(config.precision, device)
        self._step_config = replace(config, precision=self.format)
        self.optimizer = build_optimizer(self.prior, self._step_config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.val_windows = self._windows((sound,) for sound in codes.val)
        self._known_windows = self._windows((sound,) for sound in self._known_sounds())
        self._take(codes)
        total_steps = len(self.train_windows) * config.max_epochs
        self.scheduler = warm_up_and_cosine(self.optimizer, total_steps)
        self._judged_from = warm_up_steps(total_steps) + _STEPS_BEFORE_JUDGING
        self.unigram, self.unigram_by_level = unigram_perplexities(codes.train, codes.val, self.prior.codebook_size)
        self.agreement = None if codes.is_one_sound else sibling_agreement(codes.train, codes.val, should_stop)

    @property
    def codes_a_second(self) -> int:
        """How many codes a second of sound has."""
        return math.prod(self.grid) * self.prior.num_quantizers

    def _windows(self, sounds: Any) -> CodeWindows:
        return as_windows(self.prior, sounds, self.config.batch_size * self.codes_a_second)

    def _take(self, codes: SplitCodes) -> None:
        self.codes = codes
        self.train_windows = _enough_for_an_epoch(self._windows(codes.versions))

    def _known_sounds(self) -> list[SoundCodes]:
        """Return training sounds by chance, as they are, with as many codes as are held out."""
        sounds = [*self.codes.train]
        random.Random(self.config.seed).shuffle(sounds)
        return first_codes(sounds, sum(sound.count for sound in self.codes.val))

    def _join_next_variant(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> None:
        """Let variant k join before epoch k + 1, by count and never by clock: the same seed gives the same prior."""
        while self.codes.joined < min(self.variants, epoch - 1):
            self._take(self.join_variant(self.codes, on_event, should_stop))

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> PriorEpochMetrics:
        """Train and validate one epoch, keep it if it is the best, and return its event.

        Raises:
            Stopped: `should_stop()` turned true; the epoch is not validated.
            TrainingError: the epoch diverged.
        """
        self.is_inside_an_epoch = True
        self._join_next_variant(epoch, on_event, should_stop)
        started, learning_rate = perf_counter(), self.optimizer.param_groups[0]["lr"]
        train_loss = train_prior_epoch(
            self.prior,
            self.train_windows,
            self.optimizer,
            config=self._step_config,
            epoch=epoch,
            generator=self.generator,
            scheduler=self.scheduler,
            on_event=on_event,
            should_stop=should_stop,
        )
        stop_point(should_stop)
        held_out = validate(self.prior, self.val_windows, should_stop)
        known = validate(self.prior, self._known_windows, should_stop)
        self._refuse_divergence(held_out.mean, known.mean)
        evidence = self._evidence(held_out, known)
        verdict = verdict_on(evidence)
        self._keep_weights(epoch, held_out.mean, verdict)
        limit_passed, limit_message = check_memorization(
            perplexity(held_out.mean), self.prior.codebook_size, self.file_count
        )
        metrics = PriorEpochMetrics(
            epoch=epoch,
            total_epochs=self.config.max_epochs,
            train_loss=train_loss,
            val_loss=held_out.mean,
            val_perplexity=perplexity(held_out.mean),
            best_perplexity=perplexity(self.best.loss),
            is_memorizing=limit_passed,
            memorization_message=memorization_message(verdict, evidence, limit_message),
            epoch_time_s=perf_counter() - started,
            learning_rate=learning_rate,
            level_perplexities=tuple(map(perplexity, held_out.by_level)),
            verdict=verdict.value,
            known_perplexity=perplexity(evidence.train_loss),
            perplexity_error=evidence.standard_error,
        )
        self.history.append(metrics)
        self.is_inside_an_epoch = False
        return metrics

    def _refuse_divergence(self, val_loss: float, known_loss: float) -> None:
        """Judge an epoch before it is kept, or can replace anything.

        One that knows the sounds it trains on has not diverged, however it does on others: it memorizes. Nor has one
        that gets better, if slowly.

        Raises:
            Diverged: its loss is no number, or far above that of guessing.
        """
        if not math.isfinite(val_loss):
            raise diverged()
        has_begun, guessing = self.scheduler.last_epoch >= self._judged_from, math.log(self.unigram)
        is_far = val_loss > guessing + _WORSE_THAN_GUESSING_NATS and known_loss > guessing
        gets_better = val_loss < min(self.best.loss, math.log(self.prior.codebook_size))
        if has_begun and is_far and not gets_better:
            raise Diverged(
                f"validation perplexity {perplexity(val_loss):,.0f} is far above that of guessing, {self.unigram:.1f}"
            )

    def _evidence(self, held_out: CodeLosses, known: CodeLosses) -> Evidence:
        bands, second = self.grid
        held_out_WHQ = [by_step(loss_NSQ, bands) for loss_NSQ in held_out.sounds]
        return Evidence(
            train_loss=known.mean,
            val_loss=held_out.mean,
            standard_error=standard_error(held_out_WHQ, second),
            held_out_codes=sum(sound.count for sound in self.codes.val),
            is_one_sound=self.codes.is_one_sound,
            agreement=self.agreement or 0.0,
        )

    def _keep_weights(self, epoch: int, val_loss: float, verdict: Verdict) -> None:
        state = copy_of(self.prior)
        self.best.keep_if_better(state, val_loss, epoch)
        self.last.keep(state, val_loss, epoch)
        has_memorized = verdict is Verdict.MEMORIZING or self.has_memorized
        if not has_memorized:
            self.before_memorizing.keep_if_better(state, val_loss, epoch)

    @property
    def has_memorized(self) -> bool:
        """Whether an epoch so far was one of memorizing."""
        return any(metrics.verdict == Verdict.MEMORIZING for metrics in self.history)

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate; False when there are none or it was too often."""
        self.roll_backs += 1
        if not self.best.state or self.roll_backs > MAX_ROLL_BACKS:
            return False
        self.prior.load_state_dict(self.best.state)
        self.optimizer.forget()  # the moments may hold what led astray
        self.scheduler.base_lrs = [rate / 2 for rate in self.scheduler.base_lrs]
        for group in self.optimizer.param_groups:  # the schedule sets it only after the next step
            group["lr"] /= 2
        return True


def refuse_too_little(codes: SplitCodes) -> None:
    """Check that there is a code to learn, and one to measure on, that others come before.

    Raises:
        DatasetError: there is not.
    """
    if min(sum(sound.count for sound in part) for part in (codes.train, codes.val)) < 2:
        raise DatasetError("The sounds are too short to learn from.", "Add longer sounds, or more of them.")


def refuse_one_code(codes: SplitCodes, name: str, a_second: int) -> None:
    """Check that the codes, of so many steps a second, depend on the sound.

    Raises:
        ModelFileError: every place of every sound has the same code, at each level, or all sounds have the same codes
            at the same places; `name` is the model's.
    """
    places_PQ = torch.cat([sound.codes_WHQ.flatten(0, 1) for sound in (*codes.train, *codes.val)])
    if torch.equal(places_PQ, places_PQ[:1].expand_as(places_PQ)):
        told = "one and the same code"
    elif _are_blind(codes, a_second):
        told = "the same codes"
    else:
        return
    raise ModelFileError(
        f"“{name}” gives all of these sounds {told}: there is nothing to learn from them.",
        "Its VQ-VAE was hardly trained, or is damaged. Choose another model, or train one: distill train",
    )


def _are_blind(codes: SplitCodes, a_second: int) -> bool:
    """Tell whether different sounds have the same codes, as far as each goes, and these say next to nothing.

    A sound and the beginning of it agree as well, but they have more different steps than a second has.
    """
    if len({file.digest for file in (*codes.train_files, *codes.val_files)}) < 2:
        return False
    sounds = [sound.codes_WHQ.flatten(1) for sound in (*codes.train, *codes.val)]
    longest_WC = max(sounds, key=len)
    are_same = all(torch.equal(sound_WC, longest_WC[: len(sound_WC)]) for sound_WC in sounds)
    return are_same and len(longest_WC.unique(dim=0)) <= a_second
