"""A prior's training in epochs, and the checks of the codes that it learns from."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from time import perf_counter
from typing import Any, TypeAlias
from uuid import uuid4

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.distributed import ALONE, Ranks, stop_together
from distill_core.errors import DatasetError, ModelFileError
from distill_core.events import OnEvent, ShouldStop, never
from distill_core.models.prior import Prior
from distill_core.training.batch_parts import BatchParts
from distill_core.training.data.code_store import Sounds, Versions
from distill_core.training.data.sound_codes import SoundCodes, first_codes, heard_blocks, in_blocks
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.data.windows import CodeWindows, as_windows
from distill_core.training.loop import MAX_ROLL_BACKS, Diverged, KeptWeights, copy_of, diverged, refuse_wrong_weights
from distill_core.training.prior.baselines import sibling_agreement, unigram_perplexities
from distill_core.training.prior.config import LEAST_EPOCH_STEPS, PriorConfig
from distill_core.training.prior.epoch import train_prior_epoch
from distill_core.training.prior.events import FilePrior, PriorEpochMetrics, perplexity
from distill_core.training.prior.kept import Kept, memorizing_since
from distill_core.training.prior.memorization import (
    Evidence,
    check_memorization,
    memorization_message,
    standard_error,
    verdict_on,
)
from distill_core.training.prior.number_format import number_format
from distill_core.training.prior.optimizers import build_optimizer, warm_up_and_cosine, warm_up_steps
from distill_core.training.prior.sums import PriorSums
from distill_core.training.prior.temperature import LogitSample
from distill_core.training.prior.validation import CodeLosses, validate
from distill_core.training.under_way import EpochUnderWay

# A loss this far above that of guessing means divergence, once the learning rate has been at its height for some steps.
_WORSE_THAN_GUESSING_NATS, _STEPS_BEFORE_JUDGING = 1.0, 20
JoinVariant: TypeAlias = Callable[[SplitCodes, OnEvent, ShouldStop], SplitCodes]


def _enough_for_an_epoch(windows: CodeWindows) -> CodeWindows:
    """Return the windows, repeated until an epoch has several optimizer steps: one step on few sounds is too little.

    With 15 drum sounds 50 epochs of one step each ended at perplexity 14.0, of five steps at 8.3.
    """
    return windows.repeated(math.ceil(LEAST_EPOCH_STEPS / len(windows)))


@dataclass
class PriorRun:
    """The training under way: weights, optimizer, schedule, order of the data, the best so far and the history.

    Steps of silence, whose codes are `silence_WHQ`, are learned, but count in no held-out number: anybody guesses them.
    `geometry` is the codec's; `join_variant` encodes one more variant of each training sound, up to `variants`;
    `format` is the number format; `file_prior` is the prior that a save replaces. `last` has the weights of the last
    epoch, `before_memorizing` the best ones before the first epoch with the verdict that it memorizes. `temperatures`
    are those of epochs, by number. Patience counts from the best epoch, or from `patient_from` if that is later. An
    epoch that is `under_way` goes on from there. From the training sounds `left_out`, by number, nothing is learned.

    Raises:
        Stopped: `should_stop()` turned true while the sounds were compared.
    """

    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    silence_WHQ: Tensor
    file_count: int
    geometry: Geometry
    vqvae_config: Mapping[str, Any]
    codec_digest: str
    join_variant: JoinVariant
    variants: int = 0
    format: str = ""
    file_prior: FilePrior | None = None
    left_out: frozenset[int] = frozenset()
    best: KeptWeights = field(default_factory=KeptWeights)
    last: KeptWeights = field(default_factory=KeptWeights)
    before_memorizing: KeptWeights = field(default_factory=KeptWeights)
    history: list[PriorEpochMetrics] = field(default_factory=list)
    temperatures: dict[int, float] = field(default_factory=dict)
    roll_backs: int = 0
    patient_from: int = 0
    under_way: EpochUnderWay[PriorSums] | None = None
    run_id: str = field(default_factory=lambda: uuid4().hex)
    ranks: Ranks = ALONE
    should_stop: InitVar[ShouldStop] = never

    def __post_init__(self, should_stop: ShouldStop) -> None:
        config, codes = self.config, self.codes
        device = next(self.prior.parameters()).device
        self.format = self.format or number_format(config.precision, device, config.hidden_size)
        self.batch_parts = BatchParts(can_halve=self.ranks.is_alone)
        self._step_config = replace(config, precision=self.format)
        self.optimizer = build_optimizer(self.prior, self._step_config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.val_windows = self._windows(Versions.single(codes.val))
        self._known = self._known_sounds()
        self._known_windows = self._windows(Versions.single(self._known))
        self._take(codes)
        optimizer_steps = len(self.train_windows) * config.max_epochs
        self.scheduler = warm_up_and_cosine(self.optimizer, optimizer_steps)
        self._judged_from = warm_up_steps(optimizer_steps) + _STEPS_BEFORE_JUDGING
        given = (codes.train, codes.val, self.prior.codebook_size, self.silence_WHQ)
        self.unigram, self.unigram_by_level = unigram_perplexities(*given)
        self._held_out_codes = sum(heard_PHQ.numel() for heard_PHQ in heard_blocks(codes.val, self.silence_WHQ))
        is_one = codes.is_one_sound
        self.agreement = None if is_one else sibling_agreement(codes.train, codes.val, self.silence_WHQ, should_stop)

    @property
    def kept(self) -> Kept:
        """The weights to choose from."""
        return Kept(self.best, self.last, self.before_memorizing)

    @property
    def chunk_steps(self) -> int | None:
        """The steps of a chunk, None if each sound is one row."""
        return self.geometry.chunk_steps if self.prior.layout == "chunks" else None

    def _windows(self, sounds: Versions) -> CodeWindows:
        return as_windows(self.prior, sounds, self.config.batch_size * self.geometry.codes_per_second)

    def _take(self, codes: SplitCodes) -> None:
        self.codes = codes
        self.train_windows = _enough_for_an_epoch(self._windows(codes.versions).without(self.left_out))

    def _known_sounds(self) -> Sounds:
        """Return random training sounds, as they are, with as many codes as are held out."""
        train = self.codes.train
        numbers = train.numbers_N.tolist()
        random.Random(self.config.seed).shuffle(numbers)
        chosen = first_codes(Sounds(train.store, numbers), self.codes.val.code_count, self.chunk_steps or 1)
        return Sounds.of(chosen, self.prior.codebook_size)

    def _join_next_variant(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> None:
        """Add variant k before epoch k + 1: by number and not by time, so the same seed gives the same prior."""
        while self.codes.joined < min(self.variants, epoch - 1):
            self._take(self.join_variant(self.codes, on_event, should_stop))

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> PriorEpochMetrics:
        """Train and validate one epoch, keep its weights if they are the best, and return its figures.

        Raises:
            Stopped: `should_stop()` turned true; the epoch is not validated.
            TrainingError: the epoch diverged.
        """
        self._join_next_variant(epoch, on_event, should_stop)
        under_way = self._begin_or_go_on(epoch)
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
            batch_parts=self.batch_parts,
            sums=under_way.sums,
            ranks=self.ranks,
        )
        stop_together(should_stop)
        sample = LogitSample(self.val_windows.code_count, self.prior.codebook_size)
        of_all = validate(self.prior, self.val_windows, should_stop, sample, self.ranks)
        held_out = self._of_heard(of_all, self.codes.val)
        known = self._of_heard(validate(self.prior, self._known_windows, should_stop, ranks=self.ranks), self._known)
        self._refuse_divergence(of_all.mean, held_out.mean, known.mean)
        refuse_wrong_weights(self.prior)
        temperature = sample.temperature(should_stop)
        evidence = self._evidence(held_out, known)
        verdict = verdict_on(evidence)
        memorizing_from = memorizing_since(self.history, epoch, verdict)
        self.kept.keep(copy_of(self.prior), held_out.mean, epoch, has_memorized=memorizing_from > 0)
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
            epoch_time_s=perf_counter() - under_way.started,
            learning_rate=under_way.learning_rate,
            level_perplexities=tuple(map(perplexity, held_out.by_level)),
            verdict=verdict.value,
            known_perplexity=perplexity(evidence.train_loss),
            perplexity_error=evidence.standard_error,
            best_epoch=self.best.epoch,
            kept_epoch=self.kept.unasked.epoch,
            memorizing_from=memorizing_from,
        )
        self.history.append(metrics)
        if temperature is not None:
            self.temperatures[epoch] = temperature
        self.under_way = None
        return metrics

    def _begin_or_go_on(self, epoch: int) -> EpochUnderWay[PriorSums]:
        if self.under_way is None:
            rate, order = self.optimizer.param_groups[0]["lr"], self.generator.get_state()
            self.under_way = EpochUnderWay(epoch, len(self.train_windows), rate, order, PriorSums())
        return self.under_way

    def _of_heard(self, losses: CodeLosses, sounds: Sequence[SoundCodes]) -> CodeLosses:
        return losses.of_heard(sounds, self.silence_WHQ)

    def _refuse_divergence(self, loss_of_all: float, val_loss: float, known_loss: float) -> None:
        """Refuse an epoch that diverged, before it is kept.

        An epoch that knows its training sounds has not diverged: it memorizes. One that gets better, if slowly, has not
        either. Silence counts here: a prior that learns it first is far off on sound for a while.

        Raises:
            Diverged: the loss is no number, or far above that of guessing.
        """
        if not math.isfinite(val_loss):
            raise diverged()
        has_begun, guessing = self.scheduler.last_epoch >= self._judged_from, math.log(self.unigram)
        is_far = loss_of_all > guessing + _WORSE_THAN_GUESSING_NATS and known_loss > guessing
        gets_better = val_loss < min(self.best.loss, math.log(self.prior.codebook_size))
        if has_begun and is_far and not gets_better:
            raise Diverged(
                f"validation perplexity {perplexity(val_loss):,.0f} is far above that of guessing, {self.unigram:.1f}"
            )

    def _evidence(self, held_out: CodeLosses, known: CodeLosses) -> Evidence:
        return Evidence(
            train_loss=known.mean,
            val_loss=held_out.mean,
            standard_error=standard_error(held_out.sounds, self.geometry.chunk_steps),
            held_out_codes=self._held_out_codes,
            is_one_sound=self.codes.is_one_sound,
            agreement=self.agreement or 0.0,
        )

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate; return False where that was done too often."""
        self.roll_backs += 1
        self.under_way = None
        self.prior.load_state_dict(self.best.state)
        self.optimizer.forget()  # the moments may come from the divergence
        self.scheduler.base_lrs = [rate / 2 for rate in self.scheduler.base_lrs]
        for group in self.optimizer.param_groups:  # the schedule sets it only after the next optimizer step
            group["lr"] /= 2
        return self.roll_backs <= MAX_ROLL_BACKS


def refuse_too_little(codes: SplitCodes) -> None:
    """Check that training and validation have two codes each: a code is predicted from those before it.

    Raises:
        DatasetError: they have fewer.
    """
    if min(codes.train.code_count, codes.val.code_count) < 2:
        raise DatasetError("The sounds are too short to learn from.", "Add longer sounds, or more of them.")


def refuse_one_code(codes: SplitCodes, name: str, steps_per_second: int) -> None:
    """Check that the codes depend on the sound; `name` is the model's.

    Raises:
        ModelFileError: every position of every sound has the same codes, or all sounds have the same codes at the same
            positions.
    """
    first_Q = codes.train[0].codes_WHQ[0, 0]
    if all(bool((block.codes_PHQ == first_Q).all()) for block in in_blocks(codes.all)):
        shared = "one and the same code"
    elif _are_blind(codes, steps_per_second):
        shared = "the same codes"
    else:
        return
    raise ModelFileError(
        f"“{name}” gives all of these sounds {shared}: there is nothing to learn from them.",
        "Its codec was hardly trained, or is damaged. Choose another model, or train one: distill train",
    )


def _are_blind(codes: SplitCodes, steps_per_second: int) -> bool:
    """Tell whether different sounds have the same codes, up to the shorter one's end, and few different steps.

    A sound and its own beginning agree too, but have more different steps than a second has.
    """
    if len({file.digest for file in (*codes.train_files, *codes.val_files)}) < 2:
        return False
    longest = max(codes.all, key=lambda sound: sound.steps)
    blocks = in_blocks(codes.all)
    are_same = all(torch.equal(block.codes_PHQ, longest.codes_WHQ[block.step_P]) for block in blocks)
    return are_same and len(longest.sound_WHQ.flatten(1).unique(dim=0)) <= steps_per_second
