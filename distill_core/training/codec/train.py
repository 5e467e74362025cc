"""The training of any codec on a folder of sounds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.device import device_in_words, using_training_threads
from distill_core.distributed import ALONE, Ranks
from distill_core.errors import ConfigError
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.memory import memory_in_words
from distill_core.models.architectures import codec_name
from distill_core.training.codec.epochs import train_in_epochs
from distill_core.training.codec.request import CodecRequest
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.codec.state import trained_of
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.trainings import CodecTraining, codec_trained_with, training_of
from distill_core.training.events import Ended
from distill_core.training.keeper import run_folder_in_use
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.format import left_out_in
from distill_core.training.settings import check_settings_class

_SMALLER = "Try a smaller batch, or fewer sounds."


def _training_of_run(values: Mapping[str, Any], asked: str | None) -> CodecTraining:
    """Return how the codec of an unfinished training is trained; `asked` is the codec that the caller named.

    Raises:
        ConfigError: no codec of that name is trained here, or the caller named another one.
    """
    own = codec_name(values["vqvae_config"])
    if asked not in (None, own):
        raise ConfigError(
            "architecture", "The unfinished training is of another codec; nothing was changed.", "Name no codec."
        )
    return training_of(own)


def train_codec(
    dataset: str | Path | AudioDataset,
    config: CodecSettings | Mapping[str, Any] | None = None,
    *,
    architecture: str | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    run_folder: RunFolder | None = None,
    resume: bool = False,
    ranks: Ranks = ALONE,
) -> TrainedCodec:
    """Train a codec on a folder of sounds, or on a scanned one, and return its best epoch.

    `config` has all settings, or some of them by name: the others follow from the amount of sound. `architecture` names
    the codec; for None it is that of the run to go on with, else that of the settings' class, else the default.
    `run_folder` gets the state, once a minute at most and at the end; `resume` goes on with the run there, with its
    codec and its settings. Nothing else is written. The global random state is as before afterwards. Stopping is a
    result: the best epoch so far, or `model` None.

    Of several `ranks` all call this with the same arguments; the first one alone writes, and has the result.

    Raises:
        ConfigError: no such codec, settings of another class, a setting that cannot be, or other sounds or another
            codec than those of the run to go on with.
        ModelFileError: the run to go on with cannot be read.
        DatasetError: there are no usable sounds.
        TrainingError: training diverged at once.
        NotEnoughMemoryError: it ran out of memory.
    """
    training = training_of(codec_trained_with(config) if architecture is None else architecture)
    check_settings_class(config, training.settings)
    if not isinstance(config, CodecSettings):
        training.check_overrides(dict(config or {}))
    with ExitStack() as stack:
        stack.enter_context(using_training_threads())
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(device_in_words())
        stack.enter_context(memory_in_words("train with these settings", _SMALLER))
        own = run_folder if ranks.is_first else None
        own = ranks.together(lambda: stack.enter_context(run_folder_in_use(own, on_event, resume=resume)))
        unfinished = ranks.from_first(lambda: own.load_to_resume(on_event) if resume and own is not None else None)
        if unfinished is not None:
            training = _training_of_run(unfinished, architecture)
        try:
            if not isinstance(dataset, AudioDataset):
                dataset = scan(dataset, on_event=on_event, should_stop=should_stop, ranks=ranks)
            if unfinished is not None:
                dataset = dataset.without(left_out_in(unfinished))
        except Stopped:
            return TrainedCodec.none(Ended.STOPPED)
        request = CodecRequest(training, config or {}, own, unfinished, ranks)
        return train_in_epochs(request, dataset, on_event, should_stop)


def load_best_codec(run_folder: RunFolder, on_event: OnEvent = ignore) -> TrainedCodec:
    """Return the result of the unfinished run, as if it had been stopped there; also of an older Distill's run.

    Raises:
        ModelFileError: no run can be read, or no epoch of it is finished.
    """
    return trained_of(run_folder.load(on_event))
