"""Trains a prior on the frozen codes of a model file and keeps the best epoch."""

from __future__ import annotations

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
from distill_core.models.schema import check_seq_len
from distill_core.training.code_cache import open_code_cache
from distill_core.training.codes import encode_and_split
from distill_core.training.metrics import PriorEpochMetrics
from distill_core.training.prior_config import PriorConfig, get_adaptive_prior_config
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


def _build_prior(loaded: LoadedVQModel, config: PriorConfig, device: torch.device) -> Prior:
    codebook_size, levels, (bands, steps) = loaded.model.codebook_size, loaded.model.num_quantizers, loaded.grid
    hidden_size, num_layers, num_heads = config.hidden_size, config.num_layers, config.num_heads
    if config.architecture == frames.ARCHITECTURE:
        frames_sizes = (codebook_size, levels, bands, steps, hidden_size, num_layers, num_heads)
        return FramesPrior(*frames_sizes, dropout=config.dropout).to(device)
    flat_sizes = (codebook_size, levels, loaded.seq_len, hidden_size, num_layers, num_heads)
    return CodePrior(*flat_sizes, dropout=config.dropout).to(device)


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
        run = PriorRun(_build_prior(loaded, config, device), config, codes, len(dataset.files))
        start = start_event(run)
        on_event(start)
        stopped = train_epochs(run, config.max_epochs, on_event, should_stop, patience=config.patience)
        saved_config = asdict(config) | run.prior.sizes()
        if not run.history:
            return TrainedPrior(None, saved_config, {}, (), stopped)
        on_event(complete_event(run))
        run.prior.load_state_dict(run.best.state)
        metadata = prior_metadata(run, dataset, start.unigram_perplexity, device)
        return TrainedPrior(run.prior.cpu().eval(), saved_config, metadata, tuple(run.history), stopped)
