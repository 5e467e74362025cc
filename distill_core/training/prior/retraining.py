"""A prior's training once more, without some of its sounds, and otherwise the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.device import using_training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.memory import memory_in_words
from distill_core.models.architectures import architecture_of
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Prior
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.loop import diverged, train_epochs
from distill_core.training.prior.config import PriorConfig, config_for_sounds
from distill_core.training.prior.run import PriorRun, refuse_too_little

MOST_EPOCHS = 40  # as many as a training has unless asked for more


def settings_of(prior_config: Mapping[str, Any], file_count: int, code_count: int) -> PriorConfig:
    """Return the settings with which a file's prior was trained; those that it does not name follow from the sounds.

    Raises:
        ConfigError: a setting that cannot be.
    """
    names = {each.name for each in fields(PriorConfig)} & set(prior_config)
    known = {name: prior_config[name] for name in names} | {"architecture": architecture_of(prior_config)}
    return config_for_sounds(file_count, code_count, known)


def _epochs_of(prior_metadata: Mapping[str, Any], config: PriorConfig) -> int:
    """Return the epochs that the prior in a file had, `MOST_EPOCHS` at most."""
    found = [prior_metadata.get(key) for key in ("kept_epoch", "best_epoch", "epochs_trained")]
    counts = [value for value in found if type(value) is int and value > 0]
    return min([*counts, config.max_epochs][0], MOST_EPOCHS)


def _joining(of: SplitCodes, so_far: SplitCodes, on_event: OnEvent, should_stop: ShouldStop) -> SplitCodes:
    """Return codes with the next variant of each sound, from the codes `of` that have all."""
    joined = so_far.joined + 1
    return replace(so_far, versions=of.versions.until(joined + 1), joined=joined)


def _as_they_are(codes: SplitCodes) -> SplitCodes:
    return replace(codes, versions=codes.versions.until(1), joined=0)


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that can be repeated: the codes of its sounds with their variants, and its settings.

    A repetition takes `epochs` epochs, which keep their batches and their order whatever is left out, and keeps the
    last: with the seed and the sounds of the prior in the file it gives that prior again, bit for bit on the same
    machine.
    """

    loaded: LoadedVQModel
    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    silence_WHQ: Tensor
    epochs: int

    def _run(self, left_out: frozenset[int], seed: int, should_stop: ShouldStop) -> PriorRun:
        codes, loaded, config = self.codes, self.loaded, replace(self.config, seed=seed)
        torch.manual_seed(seed)
        return PriorRun(
            _begin(loaded, self.prior, config),
            config,
            _as_they_are(codes),
            self.silence_WHQ,
            len(codes.train_files) + len(codes.val_files),
            loaded.geometry,
            loaded.vqvae_config,
            "",
            join_variant=partial(_joining, codes),
            variants=codes.joined,
            left_out=left_out,
            should_stop=should_stop,
        )

    def prior_without(
        self, digests: Collection[str], seed: int, *, on_event: OnEvent = ignore, should_stop: ShouldStop = never
    ) -> Prior:
        """Train without the sounds of some digests, with all if there are none, and return the last epoch's prior.

        The global random state is as before afterwards.

        Raises:
            TrainingError: it diverged.
            NotEnoughMemoryError: it ran out of memory.
            Stopped: `should_stop()` turned true.
        """
        left_out = frozenset(number for number, file in enumerate(self.codes.train_files) if file.digest in digests)
        with ExitStack() as stack:
            stack.enter_context(using_training_threads())
            stack.enter_context(torch.random.fork_rng())
            stack.enter_context(memory_in_words("train the prior again"))
            run = self._run(left_out, seed, should_stop)
            ended = train_epochs(run, range(1, self.epochs + 1), on_event, should_stop)
        if ended is Ended.STOPPED:
            raise Stopped
        if ended is Ended.DIVERGED:
            raise diverged()
        return run.prior.eval()


def _begin(loaded: LoadedVQModel, like: Prior, config: PriorConfig) -> Prior:
    """Return an untrained prior with the sizes and the context of the one in the file."""
    geometry, settings = loaded.geometry, asdict(config) | {"learns_end": like.learns_end}
    context_steps = like.context_steps(geometry.bands)
    prior = type(like).begin(geometry, loaded.model.codebook_size, settings, context_steps)
    return prior.to(loaded.model.device)


def prepare_retraining(
    loaded: LoadedVQModel,
    prior: Prior,
    train_files: Sequence[AudioFile],
    val_files: Sequence[AudioFile],
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> Retraining:
    """Encode the sounds of the training that a model's `prior` comes from, so that it can be repeated.

    Raises:
        ConfigError: the file names a setting that cannot be.
        DatasetError: no sound is left that can be read, or too little of all.
        NotEnoughMemoryError: it ran out of memory.
        Stopped: `should_stop()` turned true.
    """
    prior_config, metadata = loaded.prior_config or {}, loaded.prior_metadata or {}
    file_count = len(train_files) + len(val_files)
    settings_of(prior_config, file_count, 0)  # refuses wrong settings before any work
    cache = open_code_cache(loaded, prior.layout) if use_cache else None
    silence_WHQ = codes_of_silence(loaded, prior.layout, should_stop)
    encoder = SoundEncoder(loaded, prior.layout, cache, silence_WHQ)
    with memory_in_words("encode the sounds"):
        codes = encoder.encode(train_files, val_files, on_event, should_stop)
        config = replace(settings_of(prior_config, file_count, codes.count), patience=0, time_limit_min=0.0)
        epochs = _epochs_of(metadata, config)
        variants = 0 if prior.layout == "chunks" else min(config.variants, epochs - 1)
        codes = encoder.join_variants(codes, variants, on_event, should_stop)
    refuse_too_little(codes)
    return Retraining(loaded, prior, config, codes, silence_WHQ, epochs)
