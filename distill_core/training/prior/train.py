"""Trains a prior on the frozen codes of a model file and keeps the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.variants import total_steps
from distill_core.device import resolve_device, use_training_threads
from distill_core.errors import ConfigError
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.memory import memory_in_words
from distill_core.models import frames
from distill_core.models.architectures import Prior
from distill_core.models.flat import CodePrior
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.schema import LONGEST_SEQUENCE, check_seq_len
from distill_core.models.vqvae import codec_digest
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import Layout, SoundEncoder, SplitCodes
from distill_core.training.events import Ended, RunNotKept
from distill_core.training.loop import TimeLimit, train_epochs
from distill_core.training.prior.config import PriorConfig, config_for_sounds
from distill_core.training.prior.events import Keep
from distill_core.training.prior.facts import complete_event, prior_metadata, start_event
from distill_core.training.prior.file_prior import measure_file_prior
from distill_core.training.prior.keeper import Keeper
from distill_core.training.prior.run import PriorRun, refuse_one_code, refuse_too_little
from distill_core.training.prior.state import restore, trained_of
from distill_core.training.prior.trained import TrainedPrior, choices
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.kinds import config_of

# The best epoch, or where the prior began to memorize before it, the best before that.
KEPT_UNASKED = Keep.BEFORE_MEMORIZING
_SMALLER = "Try a smaller batch, or a smaller prior (hidden size, layers)."


def _frames_grid(loaded: LoadedVQModel, config: PriorConfig, codes: SplitCodes) -> tuple[int, int]:
    """Return (bands, steps) of the context: as asked for, but no longer than a training sound or the format allow."""
    bands, _ = loaded.grid
    longest = max(loaded.grid[1], *(sound.steps for sound in codes.train))  # at least a second, to go on from
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


@dataclass(frozen=True, slots=True)
class _Job:
    """What was asked for: settings, or some of them; where the run is kept, and the state of one to go on with."""

    model_path: Path
    config: PriorConfig | Mapping[str, Any]
    use_cache: bool
    run_folder: RunFolder | None
    unfinished: dict[str, Any] | None

    def settings(self, file_count: int, code_count: int) -> PriorConfig:
        if self.unfinished is not None:
            return config_of(self.unfinished)
        if isinstance(self.config, PriorConfig):
            return self.config
        return config_for_sounds(file_count, code_count, self.config)


def _prepare(job: _Job, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop) -> PriorRun:
    """Encode the sounds and build what they train; the network's size follows from how many codes they gave."""
    files = len(dataset.files)
    device = resolve_device(job.settings(files, 0).device)
    loaded = load_model_v2(job.model_path, device)
    known = job.settings(files, total_steps(dataset.files, loaded.spectrogram.config) * loaded.codes_a_step)
    layout: Layout = "rows" if known.architecture == frames.ARCHITECTURE else "chunks"
    encoder = SoundEncoder(loaded, layout, open_code_cache(loaded, layout) if job.use_cache else None)
    with memory_in_words("encode the sounds"):
        codes = encoder.split(dataset, known.val_fraction, known.seed, on_event, should_stop)
    config = job.settings(files, codes.count)
    if job.unfinished is not None:
        codes = encoder.join_variants(codes, job.unfinished["joined"], on_event, should_stop)
    refuse_too_little(codes)
    refuse_one_code(codes, loaded.path.name, loaded.grid[1])
    torch.manual_seed(config.seed)
    prior = _build_prior(loaded, config, codes, device)
    digest = codec_digest(loaded.model.state_dict())
    run = PriorRun(
        prior,
        config,
        codes,
        files,
        loaded.grid,
        loaded.vqvae_config,
        digest,
        join_variant=partial(encoder.join_variant, of=config.variants),
        variants=config.variants if layout == "rows" and not codes.is_one_sound else 0,
        format=job.unfinished["number_format"] if job.unfinished is not None else "",
        file_prior=measure_file_prior(loaded, dataset, codes, config, digest, should_stop),
        should_stop=should_stop,
    )
    if job.unfinished is not None:
        restore(run, job.unfinished)
    return run


def _result(run: PriorRun, keeper: Keeper, dataset: AudioDataset, ended: Ended, on_event: OnEvent) -> TrainedPrior:
    if not run.history:
        return TrainedPrior.none(ended)
    keeper.keep_end(ended)
    on_event(complete_event(run, ended))
    trained = TrainedPrior(
        run.prior.cpu().eval(),
        asdict(run.config) | run.prior.sizes(),
        prior_metadata(run, dataset) | {"ended": ended.value},
        tuple(run.history),
        ended,
        keeper.run_id,
        keeper.has_best,
        choices(run.best, run.last, run.before_memorizing),
        run.file_prior,
    )
    return trained.keeping(KEPT_UNASKED)


def _train(job: _Job, dataset: str | Path | AudioDataset, on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
    try:
        if not isinstance(dataset, AudioDataset):
            dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
        run = _prepare(job, dataset, on_event, should_stop)
    except Stopped:
        return TrainedPrior.none(Ended.STOPPED)
    limit = TimeLimit(run.config.time_limit_min, should_stop)
    keeper = Keeper(job.run_folder, job.model_path, run, dataset, on_event, limit.should_stop)
    on_event(start_event(run))
    epochs = range(1 + (run.history[-1].epoch if run.history else 0), run.config.max_epochs + 1)
    ended = train_epochs(run, epochs, keeper.on_event, limit.should_stop, patience=run.config.patience)
    return _result(run, keeper, dataset, limit.ended_by(ended), on_event)


def train_prior(
    model_path: str | Path,
    dataset: str | Path | AudioDataset,
    config: PriorConfig | Mapping[str, Any] | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
    run_folder: RunFolder | None = None,
    resume: bool = False,
) -> TrainedPrior:
    """Train a prior on a folder of sounds, or on a scanned one, and return the best epoch.

    `config` is all the settings, or some of them by name: the rest follows from the sounds. With `use_cache` the
    sounds' codes are kept in the user's cache folder, in `run_folder` what each epoch reached; `resume` goes on with
    the run that is there, with its settings. Nothing else is written. The global random state is as before afterwards.
    Stopping is a result: the best epoch so far, or `prior` None.

    Raises:
        ConfigError: a setting that cannot be, or sounds that are not those of the run to go on with.
        ModelFileError: the model, or the run to go on with, cannot be opened; or it has more codes a second than a
            `flat` prior can hold.
        DatasetError: there is nothing to learn from.
        TrainingError: training diverged at once.
        NotEnoughMemoryError: it ran out of memory.
    """
    use_training_threads()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(memory_in_words("train with these settings", _SMALLER))
        obstacle = "" if run_folder is None else stack.enter_context(run_folder.in_use())
        if obstacle and resume:
            raise ConfigError("resume", f"{obstacle} Nothing was changed.", "Try again when that has changed.")
        if obstacle:
            on_event(RunNotKept(obstacle))
            run_folder = None
        unfinished = run_folder.load_to_resume(on_event) if resume and run_folder is not None else None
        job = _Job(Path(model_path), config or {}, use_cache, run_folder, unfinished)
        return _train(job, dataset, on_event, should_stop)


def load_best(run_folder: RunFolder, on_event: OnEvent = ignore) -> TrainedPrior:
    """Return an unfinished training as if it had been stopped there; also one that an older Distill left.

    Raises:
        ModelFileError: there is none that can be read.
    """
    return trained_of(run_folder.load(on_event)).keeping(KEPT_UNASKED)
