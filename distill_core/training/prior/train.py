"""The training of a prior on the codes of a model file's frozen codec."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.device import (
    describe_device,
    device_in_words,
    device_to_go_on_with,
    resolve_device,
    using_training_threads,
)
from distill_core.distributed import ALONE, Ranks
from distill_core.errors import ModelFileError
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.memory import memory_in_words
from distill_core.models.architectures import prior_row
from distill_core.models.codec import codec_digest
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.prior import Layout, Prior
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.keeper import Keeper, run_folder_in_use
from distill_core.training.loop import EndOf, TimeLimit, train_epochs
from distill_core.training.prior.config import PriorConfig, config_for_sounds, sized_for_codes
from distill_core.training.prior.continuation import Continuation
from distill_core.training.prior.events import PriorEpochMetrics, Verdict
from distill_core.training.prior.facts import complete_event, prior_metadata, start_event
from distill_core.training.prior.file_prior import measure_file_prior
from distill_core.training.prior.kept import KEPT_UNASKED
from distill_core.training.prior.number_format import number_format
from distill_core.training.prior.run import PriorRun, refuse_one_code, refuse_too_little
from distill_core.training.prior.run_kind import config_of
from distill_core.training.prior.state import (
    KNOWS_NEAR_COPIES,
    KNOWS_SILENCE,
    NO_CODE,
    WRITING,
    going_on,
    restore,
    state_of,
    temperatures_in,
    trained_of,
)
from distill_core.training.prior.trained import TrainedPrior
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.format import left_out_in
from distill_core.training.settings import check_settings_class
from distill_core.training.under_way import next_epoch

_SMALLER = "Try a smaller batch, or a smaller prior (hidden size, layers)."


def _build_prior(
    loaded: LoadedVQModel, config: PriorConfig, codes: SplitCodes, unfinished: Mapping[str, Any] | None
) -> Prior:
    """Return a new prior; its context is as long as asked for, but no longer than the longest training sound."""
    geometry = loaded.geometry
    longest = max(geometry.chunk_steps, int(codes.train.steps_N.max()))  # a second or more, to go on from
    context_steps = min(geometry.steps_within(config.context_s), longest)
    prior_class = prior_row(config.architecture).load()
    learns_end = unfinished is None or bool(prior_class.has_ends(unfinished["prior_config"]))
    settings = asdict(config) | {"learns_end": learns_end}
    return prior_class.begin(geometry, loaded.model.codebook_size, settings, context_steps).to(loaded.model.device)


@dataclass(frozen=True, slots=True)
class _PriorRequest:
    """All settings, or some of them by name; the place of the run, and the state of the run to go on with."""

    model_path: Path
    config: PriorConfig | Mapping[str, Any]
    use_cache: bool
    run_folder: RunFolder | None
    unfinished: dict[str, Any] | None
    ranks: Ranks

    def knows(self, what: str) -> bool:
        """Tell whether the training does what a key of its run says; that of an older Distill goes on without it."""
        return self.unfinished is None or bool(self.unfinished.get(what, False))

    def asked(self, file_count: int) -> PriorConfig:
        """Return the settings before the sounds are encoded, when only the network's sizes are open."""
        if self.unfinished is not None:
            return config_of(self.unfinished)
        if isinstance(self.config, PriorConfig):
            return self.config
        return config_for_sounds(file_count, 0, self.config)

    def number_format_on(self, device: torch.device, config: PriorConfig) -> str:
        """Return the number format of the run to go on with; without one, or if another device computed it, anew."""
        run = self.unfinished or {}
        # A former version's run has the second alone.
        computed_on = run.get("device", run.get("prior_metadata", {}).get("device"))
        if computed_on != describe_device(device):
            return number_format(config.precision, device, config.hidden_size)
        return str(run["number_format"])

    def sized(self, asked: PriorConfig, code_count: int) -> PriorConfig:
        """Return the settings once the number of codes is known."""
        if self.unfinished is not None or isinstance(self.config, PriorConfig):
            return asked
        return sized_for_codes(asked, code_count, self.config)


def _encode(
    request: _PriorRequest,
    encoder: SoundEncoder,
    dataset: AudioDataset,
    asked: PriorConfig,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> SplitCodes:
    looks_for_copies = request.knows(KNOWS_NEAR_COPIES)
    with memory_in_words("encode the sounds"):
        given = (dataset, asked.val_fraction, asked.seed, on_event, should_stop)
        codes = encoder.split(*given, looks_for_copies=looks_for_copies)
        if request.unfinished is not None:
            codes = encoder.join_variants(codes, request.unfinished["joined"], on_event, should_stop)
    refuse_too_little(codes)
    refuse_one_code(codes, encoder.loaded.path.name, encoder.loaded.geometry.chunk_steps)
    return codes


def _silence_of(request: _PriorRequest, loaded: LoadedVQModel, layout: Layout, should_stop: ShouldStop) -> Tensor:
    """Return the codes of silence; none that occur for a training of an older Distill, to which silence was sound."""
    silence_WHQ = codes_of_silence(loaded, layout, should_stop)
    is_sound = not request.knows(KNOWS_SILENCE)
    return silence_WHQ.new_full(silence_WHQ.shape, NO_CODE) if is_sound else silence_WHQ


def _load(request: _PriorRequest, asked: PriorConfig) -> tuple[LoadedVQModel, str]:
    """Open the model on the device that trains, and return it with its codec's digest; all ranks have the same one.

    Raises:
        ModelFileError: it cannot be opened, or is not the same on all machines.
    """
    resolve = resolve_device if request.unfinished is None else device_to_go_on_with
    loaded = request.ranks.together(lambda: load_model_v2(request.model_path, resolve(asked.device)))
    digest = codec_digest(loaded.model.state_dict())
    if not request.ranks.have_same(digest):
        raise ModelFileError(
            "The model is not the same on all machines; nothing was changed.", "Each needs it at the same path."
        )
    return loaded, digest


def _prepare(request: _PriorRequest, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop) -> PriorRun:
    """Encode the sounds and return the run that they train; the network's sizes follow from the number of codes."""
    asked, ranks = request.asked(len(dataset.files)), request.ranks
    loaded, digest = _load(request, asked)
    prior_class = prior_row(asked.architecture).load()
    prior_class.check_geometry(loaded.geometry, loaded.path.name)
    cache = open_code_cache(loaded, prior_class.layout) if request.use_cache else None
    silence_WHQ = ranks.from_first(lambda: _silence_of(request, loaded, prior_class.layout, should_stop))
    encoder = SoundEncoder(loaded, prior_class.layout, cache, silence_WHQ, ranks)
    codes = _encode(request, encoder, dataset, asked, on_event, should_stop)
    config = request.sized(asked, codes.count)
    precision = ranks.from_first(lambda: request.number_format_on(loaded.model.device, config))
    torch.manual_seed(config.seed)

    def begin() -> PriorRun:
        measured = (loaded, dataset, codes, silence_WHQ, config, digest, should_stop)
        return PriorRun(
            _build_prior(loaded, config, codes, request.unfinished),
            config,
            codes,
            silence_WHQ,
            len(dataset.files),
            loaded.geometry,
            loaded.vqvae_config,
            digest,
            join_variant=partial(encoder.join_variant, of=config.variants),
            variants=0 if codes.is_one_sound or prior_class.layout == "chunks" else config.variants,
            format=precision,
            file_prior=measure_file_prior(*measured) if ranks.is_first else None,
            ranks=ranks,
            should_stop=should_stop,
        )

    run = ranks.together(begin)
    if request.unfinished is not None:
        restore(run, request.unfinished)
    if not ranks.is_first:
        torch.manual_seed(config.seed + len(run.history) * ranks.size + ranks.rank)  # what is dropped differs by rank
    return run


def _result(run: PriorRun, keeper: Keeper, dataset: AudioDataset, ended: Ended, on_event: OnEvent) -> TrainedPrior:
    keeper.keep_end(ended)
    if not run.history:
        return TrainedPrior.none(ended, keeper.run_id)
    on_event(complete_event(run, ended))
    metadata = prior_metadata(run, dataset) | {"ended": ended.value}  # before the prior leaves the device it names
    trained = TrainedPrior(
        run.prior.cpu().eval(),
        asdict(run.config) | run.prior.sizes(),
        metadata,
        tuple(run.history),
        ended,
        keeper.run_id,
        keeper.has_best,
        run.kept.choices,
        run.file_prior,
        temperatures_in(run),
    )
    return trained.keeping(KEPT_UNASKED)


def _end_of(config: PriorConfig, patient_from: int) -> EndOf:
    """Return what finds the end of a training that should not memorize; epochs until `patient_from` count no more."""

    def end_of(metrics: PriorEpochMetrics) -> Ended | None:
        memorizes = metrics.verdict == Verdict.MEMORIZING and metrics.epoch > patient_from
        return Ended.MEMORIZING if memorizes and config.stop_when_memorizing else None

    return end_of


def _train_epochs(run: PriorRun, on_event: OnEvent, should_stop: ShouldStop) -> Ended:
    """Train the epochs that a run has left, if it was not cut off at its end, and return how it ended."""
    last, patient_from = run.history[-1] if run.history else None, run.patient_from
    end_of = _end_of(run.config, patient_from)
    if last is not None and (ended := end_of(last)) is not None:
        return ended
    epochs = range(next_epoch(run.under_way, run.history), run.config.max_epochs + 1)
    patience = run.config.patience
    return train_epochs(run, epochs, on_event, should_stop, patience=patience, patient_from=patient_from, end_of=end_of)


def _train(
    request: _PriorRequest, dataset: str | Path | AudioDataset, on_event: OnEvent, should_stop: ShouldStop
) -> TrainedPrior:
    request.asked(file_count=1)  # refuses wrong settings before any work
    try:
        if not isinstance(dataset, AudioDataset):
            dataset = scan(dataset, on_event=on_event, should_stop=should_stop, ranks=request.ranks)
        if request.unfinished is not None:
            dataset = dataset.without(left_out_in(request.unfinished))
        run = _prepare(request, dataset, on_event, should_stop)
    except Stopped:
        return TrainedPrior.none(Ended.STOPPED)
    limit = TimeLimit(run.config.time_limit_min if request.ranks.is_first else 0, should_stop)
    stop = request.ranks.stopping(limit.should_stop)
    state = partial(state_of, run, request.model_path.resolve(), dataset)
    keeper = Keeper(request.run_folder, run, state, WRITING, on_event, stop)
    on_event(start_event(run))
    with keeper.forgetting_what_diverged():
        ended = _train_epochs(run, keeper.on_event, stop)
    return _result(run, keeper, dataset, limit.ended_by(ended), on_event)


def _unfinished(run_folder: RunFolder | None, resume: bool | Continuation, on_event: OnEvent) -> dict[str, Any] | None:
    """Return the state of the run to go on with, None for a training that begins."""
    if not resume or run_folder is None:
        return None
    how = Continuation() if resume is True else resume
    return going_on(run_folder.load_to_resume(on_event, how.run_id), how)


def train_prior(
    model_path: str | Path,
    dataset: str | Path | AudioDataset,
    config: PriorConfig | Mapping[str, Any] | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
    run_folder: RunFolder | None = None,
    resume: bool | Continuation = False,
    ranks: Ranks = ALONE,
) -> TrainedPrior:
    """Train a prior on a folder of sounds, or on a scanned one, and return the best epoch.

    `config` has all settings, or some of them by name: the others follow from the sounds. With `use_cache` the user's
    cache folder gets the sounds' codes, `run_folder` gets the epochs; `resume` goes on with the newest run there, with
    its settings, or as a `Continuation` says. Nothing else is written. The global random state is as before
    afterwards. Stopping is a result: the best epoch so far, or `prior` None.

    Of several `ranks` all call this with the same arguments; the first one alone writes, and sends them its run.

    Raises:
        ConfigError: settings of another class, a setting that cannot be, or sounds that are not those of the run to go
            on with.
        ModelFileError: the model, or the run to go on with, cannot be opened, or the codec has more codes per second
            than a `flat` prior can take.
        DatasetError: there are no usable sounds.
        TrainingError: training diverged at once.
        NotEnoughMemoryError: it ran out of memory.
    """
    check_settings_class(config, PriorConfig)
    with ExitStack() as stack:
        stack.enter_context(using_training_threads())
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(device_in_words())
        stack.enter_context(memory_in_words("train with these settings", _SMALLER))
        own = run_folder if ranks.is_first else None
        own = ranks.together(lambda: stack.enter_context(run_folder_in_use(own, on_event, resume=bool(resume))))
        unfinished = ranks.from_first(lambda: _unfinished(own, resume, on_event))
        request = _PriorRequest(Path(model_path), config or {}, use_cache, own, unfinished, ranks)
        return _train(request, dataset, on_event, should_stop)


def load_best(run_folder: RunFolder, on_event: OnEvent = ignore, run_id: str = "") -> TrainedPrior:
    """Return the result of a run, as if it had been stopped there; also of an older Distill's run.

    It is the run of an id, that of the unfinished training if `run_id` is "".

    Raises:
        ModelFileError: no run can be read, or no epoch of it is finished.
    """
    return trained_of(run_folder.load(on_event, run_id)).keeping(KEPT_UNASKED)
