"""Trains a prior on the frozen codes of a model file and keeps the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.device import resolve_device, use_training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.models import frames
from distill_core.models.architectures import Prior
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.prior import CodePrior
from distill_core.models.schema import LONGEST_SEQUENCE, check_seq_len
from distill_core.training.code_cache import open_code_cache
from distill_core.training.codes import Layout, SplitCodes, encode_and_split
from distill_core.training.metrics import PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior_config import PriorConfig, config_for_sounds
from distill_core.training.prior_run import PriorRun, complete_event, prior_metadata, start_event
from distill_core.training.safeguards import out_of_memory_in_words, train_epochs

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


def _frames_grid(loaded: LoadedVQModel, config: PriorConfig, codes: SplitCodes) -> tuple[int, int]:
    """Return (bands, steps) of the context: as asked for, but no longer than the longest sound or the format."""
    bands, _ = loaded.grid
    longest = max(codes_NSQ.shape[1] for codes_NSQ in (*codes.train, *codes.val)) // bands
    most = LONGEST_SEQUENCE // (bands * loaded.model.num_quantizers)
    return bands, max(1, min(loaded.spectrogram.config.steps_of(config.context_s), longest, most))


def _build_prior(loaded: LoadedVQModel, config: PriorConfig, codes: SplitCodes, device: torch.device) -> Prior:
    codebook_size, levels = loaded.model.codebook_size, loaded.model.num_quantizers
    sizes = (config.hidden_size, config.num_layers, config.num_heads, config.dropout)
    if config.architecture == frames.ARCHITECTURE:
        bands, steps = _frames_grid(loaded, config, codes)
        return FramesPrior(codebook_size, levels, bands, steps, *sizes).to(device)
    check_seq_len(loaded.seq_len, loaded.path.name)
    return CodePrior(codebook_size, levels, loaded.seq_len, *sizes).to(device)


def _prepare(
    model_path: str | Path,
    dataset: AudioDataset,
    config: PriorConfig | Mapping[str, Any],
    use_cache: bool,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> PriorRun:
    """Encode the sounds and build what they train; the network's size follows from how many codes they gave."""

    def settings(code_count: int) -> PriorConfig:
        if isinstance(config, PriorConfig):
            return config
        return config_for_sounds(len(dataset.files), code_count, config)

    known = settings(0)  # all but the sizes
    loaded = load_model_v2(model_path, resolve_device(known.device))
    layout: Layout = "rows" if known.architecture == frames.ARCHITECTURE else "chunks"
    codes = encode_and_split(
        loaded,
        dataset,
        known.val_fraction,
        known.seed,
        layout=layout,
        cache=open_code_cache(loaded, layout) if use_cache else None,
        on_event=on_event,
        should_stop=should_stop,
    )
    final = settings(codes.count)
    torch.manual_seed(final.seed)
    prior = _build_prior(loaded, final, codes, resolve_device(final.device))
    return PriorRun(prior, final, codes, len(dataset.files), loaded.grid)


def _result(
    run: PriorRun, dataset: AudioDataset, start: PriorTrainingStartEvent, stopped: bool, on_event: OnEvent
) -> TrainedPrior:
    saved_config = asdict(run.config) | run.prior.sizes()
    if not run.history:
        return TrainedPrior(None, saved_config, {}, (), stopped)
    on_event(complete_event(run))
    run.prior.load_state_dict(run.best.state)
    metadata = prior_metadata(run, dataset, start)
    return TrainedPrior(run.prior.cpu().eval(), saved_config, metadata, tuple(run.history), stopped)


def train_prior(
    model_path: str | Path,
    dataset: str | Path | AudioDataset,
    config: PriorConfig | Mapping[str, Any] | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> TrainedPrior:
    """Train a prior on a folder of sounds, or on a scanned one, and return the best epoch.

    Nothing is written but, with `use_cache`, the sounds' codes into the user's cache folder.
    `config` is all the settings, or some of them by name: the rest follows from the sounds. The global random state is
    as before afterwards. Stopping is a result: the best epoch so far, or `prior` None.

    Raises:
        ConfigError: a setting that cannot be.
        ModelFileError: the model cannot be opened, or has more codes a second than a `flat` prior can hold.
        DatasetError: there is nothing to learn from.
        TrainingError: training diverged at once, or ran out of memory.
    """
    use_training_threads()
    with torch.random.fork_rng(), out_of_memory_in_words(_SMALLER):
        try:
            if not isinstance(dataset, AudioDataset):
                dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
            run = _prepare(model_path, dataset, config or {}, use_cache, on_event, should_stop)
        except Stopped:
            return TrainedPrior(None, {}, {}, (), True)
        start = start_event(run)
        on_event(start)
        stopped = train_epochs(run, run.config.max_epochs, on_event, should_stop, patience=run.config.patience)
        return _result(run, dataset, start, stopped, on_event)
