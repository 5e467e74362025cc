"""Trains a prior on the frozen codes of a model file and keeps the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.device import resolve_device, use_training_threads
from distill_core.errors import ConfigError, SaveError
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.models import frames
from distill_core.models.architectures import PRIOR_CLASSES, Prior, architecture_of
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.prior import CodePrior
from distill_core.models.schema import LONGEST_SEQUENCE, check_seq_len
from distill_core.models.vqvae import codec_digest
from distill_core.training.checkpoint import RunFolder, reading_a_run
from distill_core.training.code_cache import open_code_cache
from distill_core.training.codes import Layout, SplitCodes, encode_and_split
from distill_core.training.metrics import PriorEpochMetrics, RunNotKept
from distill_core.training.prior_config import PriorConfig, config_for_sounds
from distill_core.training.prior_run import PriorRun, complete_event, prior_metadata, start_event
from distill_core.training.prior_state import best_prior, history_of, restore, state_of
from distill_core.training.safeguards import out_of_memory_in_words, train_epochs

PAUSE_IN_WRITING_TIMES = 5  # so that keeping epochs that are no best takes a sixth of the time at most
_SMALLER = "Try a smaller batch, or a smaller prior (hidden size, layers)."


@dataclass(frozen=True, slots=True)
class TrainedPrior:
    """The result of training.

    `prior` has the best weights and is on the CPU, or is None when training stopped before the first validation;
    `config` and `metadata` are plain dicts exactly as the file holds them; `history` has one entry an epoch; `run_id`
    names the run in the run folder, "" where nothing of it was written; `is_kept` says whether this prior is there.
    """

    prior: Prior | None
    config: dict[str, Any]
    metadata: dict[str, Any]
    history: tuple[PriorEpochMetrics, ...]
    stopped_early: bool
    run_id: str = ""
    is_kept: bool = False


def _frames_grid(loaded: LoadedVQModel, config: PriorConfig, codes: SplitCodes) -> tuple[int, int]:
    """Return (bands, steps) of the context: as asked for, but no longer than a training sound or the format."""
    bands, _ = loaded.grid
    longest = max(codes_NSQ.shape[1] for codes_NSQ in codes.train) // bands
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
            with reading_a_run():
                return PriorConfig(**self.unfinished["config"])
        if isinstance(self.config, PriorConfig):
            return self.config
        return config_for_sounds(file_count, code_count, self.config)


def _prepare(job: _Job, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop) -> PriorRun:
    """Encode the sounds and build what they train; the network's size follows from how many codes they gave."""
    files = len(dataset.files)
    device = resolve_device(job.settings(files, 0).device)
    loaded = load_model_v2(job.model_path, device)
    known = job.settings(files, dataset.whole_seconds * loaded.seq_len)  # the count is exact only once there are codes
    layout: Layout = "rows" if known.architecture == frames.ARCHITECTURE else "chunks"
    codes = encode_and_split(
        loaded,
        dataset,
        known.val_fraction,
        known.seed,
        layout=layout,
        variants=known.variants if layout == "rows" else 0,
        cache=open_code_cache(loaded, layout) if job.use_cache else None,
        on_event=on_event,
        should_stop=should_stop,
    )
    config = job.settings(files, codes.count)
    torch.manual_seed(config.seed)
    prior = _build_prior(loaded, config, codes, device)
    digest = codec_digest(loaded.model.state_dict())
    run = PriorRun(prior, config, codes, files, loaded.grid, loaded.vqvae_config, digest)
    if job.unfinished is not None:
        with reading_a_run():
            restore(run, job.unfinished)
    return run


class _Keeper:
    """Passes events on, and has each epoch in the run folder before anybody hears of it.

    Each best is written: with the demo's sounds and the prior that they get (11 MB a state) 29 of 40 epochs were one,
    at 55 ms each, 12 % of the training time; the tiniest prior, with epochs of 70 ms, pays a third. Of the other epochs
    some are left out where they are shorter than the writing: a crash then costs a few writing times.
    """

    def __init__(self, job: _Job, run: PriorRun, dataset: AudioDataset, on_event: OnEvent) -> None:
        self._job, self._run, self._dataset, self._on_event = job, run, dataset, on_event
        self._next_at, self._has_warned = 0.0, False
        # The last epoch, and the best one, of the state that is on disk; 0 for none of this run.
        self._kept_epoch = run.history[-1].epoch if run.history else 0
        self._kept_best = run.best.epoch
        self.start = start_event(run)

    def on_event(self, event: object) -> None:
        """Keep what there is after an epoch, then pass the event on."""
        if isinstance(event, PriorEpochMetrics) and (not self.has_best or monotonic() >= self._next_at):
            started = monotonic()
            self._keep()
            self._next_at = monotonic() + PAUSE_IN_WRITING_TIMES * (monotonic() - started)
        self._on_event(event)

    @property
    def has_best(self) -> bool:
        """Whether the best prior so far is on disk."""
        return self._kept_best == self._run.best.epoch

    @property
    def run_id(self) -> str:
        """The run's name as soon as anything of it is on disk, before that ""."""
        return self._run.run_id if self._kept_epoch else ""

    def keep_end(self, stopped: bool) -> None:
        """Keep the end; but a state at the last epoch's end is better than one of half an epoch more."""
        has_last_epoch = self._kept_epoch == self._run.history[-1].epoch
        if not (stopped and has_last_epoch):
            self._keep(has_ended=not stopped)

    def _keep(self, *, has_ended: bool = False) -> None:
        """Write the run's state; that it fails is told once, and tried again with the next epoch."""
        folder, run = self._job.run_folder, self._run
        if folder is None or not run.best.state:
            return
        model_path = self._job.model_path.resolve()
        try:
            folder.save(state_of(run, model_path, self._dataset, self.start, has_ended=has_ended))
            self._kept_epoch, self._kept_best = run.history[-1].epoch, run.best.epoch
        except SaveError as error:
            if not self._has_warned:
                self._on_event(RunNotKept(error.message))
            self._has_warned = True


def _result(run: PriorRun, keeper: _Keeper, dataset: AudioDataset, stopped: bool, on_event: OnEvent) -> TrainedPrior:
    saved_config = asdict(run.config) | run.prior.sizes()
    if not run.history:
        return TrainedPrior(None, saved_config, {}, (), stopped)
    keeper.keep_end(stopped)
    on_event(complete_event(run))
    run.prior.load_state_dict(run.best.state)
    metadata, prior, history = prior_metadata(run, dataset, keeper.start), run.prior.cpu().eval(), tuple(run.history)
    return TrainedPrior(prior, saved_config, metadata, history, stopped, keeper.run_id, keeper.has_best)


def _train(job: _Job, dataset: str | Path | AudioDataset, on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
    try:
        if not isinstance(dataset, AudioDataset):
            dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
        run = _prepare(job, dataset, on_event, should_stop)
    except Stopped:
        return TrainedPrior(None, {}, {}, (), True)
    keeper = _Keeper(job, run, dataset, on_event)
    on_event(keeper.start)
    epochs = range(1 + (run.history[-1].epoch if run.history else 0), run.config.max_epochs + 1)
    stopped = train_epochs(run, epochs, keeper.on_event, should_stop, patience=run.config.patience)
    return _result(run, keeper, dataset, stopped, on_event)


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
        TrainingError: training diverged at once, or ran out of memory.
    """
    use_training_threads()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(out_of_memory_in_words(_SMALLER))
        obstacle = "" if run_folder is None else stack.enter_context(run_folder.in_use())
        if obstacle and resume:
            raise ConfigError("resume", f"{obstacle} Nothing was changed.", "Try again when that has changed.")
        if obstacle:
            on_event(RunNotKept(obstacle))
            run_folder = None
        unfinished = run_folder.load(on_event) if resume and run_folder is not None else None
        job = _Job(Path(model_path), config or {}, use_cache, run_folder, unfinished)
        return _train(job, dataset, on_event, should_stop)


def load_best(run_folder: RunFolder, on_event: OnEvent = ignore) -> TrainedPrior:
    """Return the best epoch of an unfinished training, as if it had been stopped there.

    Raises:
        ModelFileError: there is none that can be read.
    """
    values = run_folder.load(on_event)
    with reading_a_run():
        prior = best_prior(values, PRIOR_CLASSES[architecture_of(values["prior_config"])])
        history, metadata = tuple(history_of(values)), dict(values["prior_metadata"])
        stopped = not values["has_ended"]
        config, run_id = dict(values["prior_config"]), values["run_id"]
        return TrainedPrior(prior, config, metadata, history, stopped, run_id, is_kept=True)
