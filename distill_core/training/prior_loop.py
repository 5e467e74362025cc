"""Trains a prior on the frozen codes of a model file and keeps the best epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.device import describe_device, resolve_device, training_threads, use_training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never, stop_point
from distill_core.models import frames
from distill_core.models.architectures import Prior
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel, load_model_v2, now_utc
from distill_core.models.prior import CodePrior, flatten_codes
from distill_core.models.schema import check_seq_len
from distill_core.training.code_cache import open_code_cache
from distill_core.training.codes import SplitCodes, encode_and_split, unigram_perplexity
from distill_core.training.memorization import check_memorization, memorization_limit
from distill_core.training.metrics import (
    PriorEpochMetrics,
    PriorStepMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    perplexity,
)
from distill_core.training.optimizers import build_optimizer, warm_up_and_cosine
from distill_core.training.prior_config import PriorConfig, get_adaptive_prior_config
from distill_core.training.safeguards import (
    BAD_STEPS_IN_A_ROW,
    MAX_ROLL_BACKS,
    BestWeights,
    diverged,
    out_of_memory_in_words,
    train_epochs,
)

_SMALLER = "Try a smaller batch, or a smaller prior (hidden size, layers)."


@dataclass(frozen=True, slots=True)
class TrainedPrior:
    """The result of training.

    `prior` has the best weights and is on the CPU, or is None when training stopped before the first validation;
    `config` and `metadata` are plain dicts exactly as the file holds them; `history` has one entry an epoch.
    """

    prior: Prior | None
    config: dict[str, Any]
    metadata: dict[str, Any]
    history: tuple[PriorEpochMetrics, ...]
    stopped_early: bool


def _with_wrong_codes(codes_BT: Tensor, share: float, codebook_size: int) -> Tensor:
    """Return codes of which a share was drawn anew: a prior that trusts each one less learns less by heart."""
    if not share:
        return codes_BT
    drawn_anew = torch.rand(codes_BT.shape, device=codes_BT.device) < share
    return torch.where(drawn_anew, torch.randint_like(codes_BT, codebook_size), codes_BT)


def _code_loss(prior: Prior, codes_BT: Tensor, wrong_share: float = 0.0) -> Tensor:
    """Return the mean cross-entropy in nats of each code given those before it."""
    logits_BTK = prior(_with_wrong_codes(codes_BT[:, :-1], wrong_share, prior.codebook_size))
    return functional.cross_entropy(logits_BTK.flatten(0, 1), codes_BT[:, 1:].flatten())


def _as_sequences(prior: Prior, codes: Tensor) -> Tensor:
    return flatten_codes(codes, prior.order_S) if codes.dim() == 3 else codes


def _take_step(prior: Prior, loss: Tensor, optimizer: Optimizer, clip_norm: float) -> bool:
    """Update the weights and return True; leave them alone where loss or gradient is not finite."""
    optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(loss.item()):
        return False
    loss.backward()
    # One infinite gradient becomes NaN in every weight once clipped, so the norm is looked at before the step.
    if not math.isfinite(clip_grad_norm_(prior.parameters(), clip_norm).item()):
        return False
    optimizer.step()
    return True


def train_prior_epoch(
    prior: Prior,
    codes: Tensor,
    optimizer: Optimizer,
    *,
    config: PriorConfig,
    epoch: int = 1,
    generator: torch.Generator | None = None,
    scheduler: LRScheduler | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> float:
    """Train one epoch over codes `[N, S, Q]`, or `[N, T]` in the prior's order, and return the mean loss in nats.

    The sequences come in random order, the scheduler moves once a step. A step whose loss or gradient is not finite
    changes nothing. When `should_stop()` turns true the mean over the steps so far is returned (NaN before the first).

    Raises:
        TrainingError: three steps in a row were not finite.
    """
    prior.train()
    device = next(prior.parameters()).device
    codes_NT = _as_sequences(prior, codes)
    batches = torch.randperm(len(codes_NT), generator=generator).split(config.batch_size)
    total_loss, seen, bad_in_a_row = 0.0, 0, 0
    for step, indices in enumerate(batches, start=1):
        if should_stop():
            break
        started = perf_counter()
        loss = _code_loss(prior, codes_NT[indices].to(device), config.token_dropout)
        if _take_step(prior, loss, optimizer, config.gradient_clip_norm):
            total_loss, seen, bad_in_a_row = total_loss + loss.item() * len(indices), seen + len(indices), 0
        elif (bad_in_a_row := bad_in_a_row + 1) == BAD_STEPS_IN_A_ROW:
            raise diverged()
        learning_rate = optimizer.param_groups[0]["lr"]
        if scheduler is not None:
            scheduler.step()
        on_event(PriorStepMetrics(epoch, step, len(batches), loss.item(), learning_rate, perf_counter() - started))
    return total_loss / seen if seen else math.nan


@torch.no_grad()
def validate_prior_epoch(prior: Prior, codes: Tensor, *, config: PriorConfig, should_stop: ShouldStop = never) -> float:
    """Return the mean loss in nats over all codes but each sequence's first, for codes `[N, S, Q]` or `[N, T]`.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    prior.eval()
    device = next(prior.parameters()).device
    codes_NT = _as_sequences(prior, codes)
    total = 0.0
    for codes_BT in codes_NT.split(config.batch_size):
        stop_point(should_stop)
        total += _code_loss(prior, codes_BT.to(device)).item() * len(codes_BT)
    return total / len(codes_NT)


@dataclass
class _Run:
    """What training changes: weights, optimizer, schedule, order of the data, the best so far and the history."""

    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    file_count: int
    best: BestWeights = field(default_factory=BestWeights)
    history: list[PriorEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0

    def __post_init__(self) -> None:
        config = self.config
        self.train_NT = _as_sequences(self.prior, self.codes.train_NSQ)
        self.val_NT = _as_sequences(self.prior, self.codes.val_NSQ)
        self.optimizer = build_optimizer(self.prior, config)
        steps_per_epoch = math.ceil(len(self.train_NT) / config.batch_size)
        self.scheduler = warm_up_and_cosine(self.optimizer, steps_per_epoch * config.max_epochs)
        self.generator = torch.Generator().manual_seed(config.seed)

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> PriorEpochMetrics:
        started, learning_rate = perf_counter(), self.optimizer.param_groups[0]["lr"]
        train_loss = train_prior_epoch(
            self.prior,
            self.train_NT,
            self.optimizer,
            config=self.config,
            epoch=epoch,
            generator=self.generator,
            scheduler=self.scheduler,
            on_event=on_event,
            should_stop=should_stop,
        )
        stop_point(should_stop)
        val_loss = validate_prior_epoch(self.prior, self.val_NT, config=self.config, should_stop=should_stop)
        if not math.isfinite(val_loss):
            raise diverged()
        self.best.keep_if_better(self.prior, val_loss, epoch)
        return self._record(epoch, train_loss, val_loss, perf_counter() - started, learning_rate)

    def _record(
        self, epoch: int, train_loss: float, val_loss: float, seconds: float, learning_rate: float
    ) -> PriorEpochMetrics:
        val_perplexity = perplexity(val_loss)
        is_memorizing, message = check_memorization(val_perplexity, self.prior.codebook_size, self.file_count)
        metrics = PriorEpochMetrics(
            epoch=epoch,
            total_epochs=self.config.max_epochs,
            train_loss=train_loss,
            val_loss=val_loss,
            val_perplexity=val_perplexity,
            best_perplexity=perplexity(self.best.loss),
            is_memorizing=is_memorizing,
            memorization_message=message,
            epoch_time_s=seconds,
            learning_rate=learning_rate,
        )
        self.history.append(metrics)
        return metrics

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


def _build_prior(loaded: LoadedVQModel, config: PriorConfig, device: torch.device) -> Prior:
    codebook_size, levels, (bands, steps) = loaded.model.codebook_size, loaded.model.num_quantizers, loaded.grid
    hidden_size, num_layers, num_heads = config.hidden_size, config.num_layers, config.num_heads
    if config.architecture == frames.ARCHITECTURE:
        frames_sizes = (codebook_size, levels, bands, steps, hidden_size, num_layers, num_heads)
        return FramesPrior(*frames_sizes, dropout=config.dropout).to(device)
    flat_sizes = (codebook_size, levels, loaded.seq_len, hidden_size, num_layers, num_heads)
    return CodePrior(*flat_sizes, dropout=config.dropout).to(device)


def _start_event(run: _Run) -> PriorTrainingStartEvent:
    codes = run.codes
    return PriorTrainingStartEvent(
        train_files=len(codes.train_files),
        validation_files=len(codes.val_files),
        chunks=len(codes.train_NSQ) + len(codes.val_NSQ),
        unigram_perplexity=unigram_perplexity(codes.train_NSQ, codes.val_NSQ, run.prior.codebook_size),
        memorization_limit=memorization_limit(run.file_count),
        seed=run.config.seed,
        threads=training_threads(),
        total_epochs=run.config.max_epochs,
    )


def _metadata(run: _Run, dataset: AudioDataset, unigram: float, device: torch.device) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "epochs_trained": len(run.history),
        "final_perplexity": perplexity(run.best.loss),
        "best_perplexity": perplexity(run.best.loss),
        "training_date": now_utc(),
        "best_epoch": run.best.epoch,
        "seed": run.config.seed,
        "threads": training_threads(),
        "device": describe_device(device),
        "history": {
            "train_losses": [metrics.train_loss for metrics in run.history],
            "val_losses": [metrics.val_loss for metrics in run.history],
        },
        "unigram_perplexity": unigram,
        "was_memorizing": any(metrics.is_memorizing for metrics in run.history),
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
    }
    if not run.config.anonymous:
        metadata["dataset_name"] = dataset.name
        metadata["validation_files"] = [file.name for file in run.codes.val_files]
    return metadata


def _complete_event(run: _Run) -> PriorTrainingCompleteEvent:
    last = run.history[-1]
    return PriorTrainingCompleteEvent(
        final_train_loss=last.train_loss,
        final_val_loss=last.val_loss,
        final_perplexity=last.val_perplexity,
        best_perplexity=last.best_perplexity,
        epochs_trained=len(run.history),
        was_memorizing=any(metrics.is_memorizing for metrics in run.history),
    )


def _saved_config(config: PriorConfig, prior: Prior) -> dict[str, Any]:
    return asdict(config) | prior.sizes()


def train_prior(
    model_path: str | Path,
    dataset: str | Path | AudioDataset,
    config: PriorConfig | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> TrainedPrior:
    """Train a prior on a folder of sounds, or on a scanned one, and return the best epoch.

    Nothing is written but, with `use_cache`, the sounds' codes into the user's cache folder.
    Without `config` the settings follow from the number of usable files. The global random state is as before
    afterwards. Stopping is a result: the best epoch so far, or `prior` None.

    Raises:
        ModelFileError: the model cannot be opened, or has more codes a second than a prior can hold.
        DatasetError: there is nothing to learn from.
        TrainingError: training diverged at once, or ran out of memory.
    """
    use_training_threads()
    with torch.random.fork_rng(), out_of_memory_in_words(_SMALLER):
        try:
            if not isinstance(dataset, AudioDataset):
                dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
            config = config or get_adaptive_prior_config(len(dataset.files))
            device = resolve_device(config.device)
            loaded = load_model_v2(model_path, device)
            check_seq_len(loaded.seq_len, loaded.path.name)
            codes = encode_and_split(
                loaded,
                dataset,
                config.val_fraction,
                config.seed,
                cache=open_code_cache(loaded) if use_cache else None,
                on_event=on_event,
                should_stop=should_stop,
            )
        except Stopped:
            return TrainedPrior(None, {}, {}, (), True)
        torch.manual_seed(config.seed)
        run = _Run(_build_prior(loaded, config, device), config, codes, len(dataset.files))
        start = _start_event(run)
        on_event(start)
        stopped = train_epochs(run, config.max_epochs, on_event, should_stop, patience=config.patience)
        saved_config = _saved_config(config, run.prior)
        if not run.history:
            return TrainedPrior(None, saved_config, {}, (), stopped)
        on_event(_complete_event(run))
        run.prior.load_state_dict(run.best.state)
        metadata = _metadata(run, dataset, start.unigram_perplexity, device)
        return TrainedPrior(run.prior.cpu().eval(), saved_config, metadata, tuple(run.history), stopped)
