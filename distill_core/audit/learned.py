"""The sounds that a model's prior learned from, as codes: those it learned, with their variants, and those held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.variants import ORIGINAL, VARIANTS
from distill_core.audit.excerpts import LONGEST_EXCERPT_S
from distill_core.audit.similarity import KnownSound, KnownSounds
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, SkippedFile, stop_point
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Prior
from distill_core.models.sounds_list import learned_sounds
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.near_copies import near_copies
from distill_core.training.data.sound_codes import SoundCodes


@dataclass(frozen=True, slots=True)
class LearnedSounds:
    """The sounds of a prior's training: `train` with their variants as `known`, and those that were held out.

    `files` are the training sounds' files, by the numbers of `known`. `missing` counts sounds of the training that are
    not among those at hand. `near` has for each training sound, then for each held-out one, the numbers of training
    sounds that are nearly the same, itself included.
    """

    files: tuple[AudioFile, ...]
    train: tuple[SoundCodes, ...]
    known: KnownSounds
    held_out_files: tuple[AudioFile, ...]
    held_out: tuple[SoundCodes, ...]
    missing: int = 0
    near: tuple[frozenset[int], ...] = ()

    @property
    def count(self) -> int:
        """The number of sounds, training and held out."""
        return len(self.train) + len(self.held_out)


def is_anonymous(loaded: LoadedVQModel) -> bool:
    """Tell whether a model's prior was trained without any name kept: then no result names a sound."""
    return bool((loaded.prior_config or {}).get("anonymous"))


def joined_variants(prior: Prior, config: Mapping[str, Any], metadata: Mapping[str, Any]) -> int:
    """Return how many variants of each sound the prior learned from: one more joins in each epoch after the first."""
    variants, epoch = config.get("variants", 0), metadata.get("kept_epoch", 1)
    if prior.layout == "chunks" or not isinstance(variants, int) or not isinstance(epoch, int):
        return 0
    return max(0, min(variants, epoch - 1, len(VARIANTS)))


def training_split(
    dataset: AudioDataset, config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[tuple[AudioFile, ...], tuple[AudioFile, ...], int]:
    """Return the training's files, the held-out ones, and the number of sounds that are missing.

    A file names its sounds by their digests. An older Distill's names the held-out ones at most; else the split is made
    again from the seed.
    """
    if listed := learned_sounds(metadata):
        role = {sound.digest: sound.held_out for sound in listed}
        train = tuple(file for file in dataset.files if role.get(file.digest) is False)
        held_out = tuple(file for file in dataset.files if role.get(file.digest) is True)
        return train, held_out, len(role.keys() - {file.digest for file in dataset.files})
    count, names = metadata.get("dataset_file_count"), metadata.get("validation_files")
    missing = max(0, count - len(dataset.files)) if isinstance(count, int) else 0
    if isinstance(names, list) and len(dataset.files) > 1:
        held_out = tuple(file for file in dataset.files if file.name in names)
        train = tuple(file for file in dataset.files if file.name not in names) if held_out else ()
        return train, held_out, max(missing, len(names) - len(held_out))
    if len(dataset.files) < 2:
        return dataset.files, (), missing
    fraction, seed = config.get("val_fraction", 0.2), config.get("seed", 0)
    return *split_files(dataset.files, float(fraction), int(seed)), missing


def missing_sounds(loaded: LoadedVQModel, dataset: AudioDataset) -> int:
    """Return how many sounds are missing where none is here that a model's prior learned from: one at the least."""
    return max(1, training_split(dataset, loaded.prior_config or {}, loaded.prior_metadata or {})[2])


def identity_of(loaded: LoadedVQModel, prior: Prior, dataset: AudioDataset) -> tuple[object, ...]:
    """Return what the result of `read_learned` depends on, without reading a sound.

    It is the same for all epochs of a training after the one in which the last variant joins.
    """
    config, metadata = loaded.prior_config or {}, loaded.prior_metadata or {}
    train, held_out, _ = training_split(dataset, config, metadata)
    sounds = tuple(tuple(file.digest for file in files) for files in (train, held_out))
    codec = metadata.get("codec_digest")
    return codec, prior.layout, is_anonymous(loaded), joined_variants(prior, config, metadata), *sounds


@dataclass(frozen=True, slots=True)
class _Reader:
    """A reader of sounds' codes, from the cache where they are known; a file that is gone is left out and told of."""

    encoder: SoundEncoder
    progress: ProgressReporter
    on_event: OnEvent
    should_stop: ShouldStop

    def read(self, files: Sequence[AudioFile], already_done: int) -> list[tuple[AudioFile, SoundCodes]]:
        found = []
        for done, file in enumerate(files, start=already_done + 1):
            stop_point(self.should_stop)
            try:
                found.append((file, self.encoder.codes_of(file, ORIGINAL, self.should_stop)))
            except UnreadableSoundError as error:
                self.on_event(SkippedFile(file.name, str(error)))
            self.progress.update(done)
        return found

    def variants(self, file: AudioFile, number: int, count: int) -> list[KnownSound]:
        """Return the variants of a file that can be read."""
        found = []
        for variant in range(count):
            stop_point(self.should_stop)
            try:
                sound = self.encoder.codes_of(file, VARIANTS[variant], self.should_stop)
            except UnreadableSoundError:
                break
            found.append(KnownSound(sound.sound_WHQ, number, variant + 1))
        return found


def _near(
    train: Sequence[SoundCodes], held_out: Sequence[SoundCodes], groups: Iterable[Iterable[int]]
) -> list[set[int]]:
    """Return for each sound, training ones first, the numbers of training sounds in its group, and its own."""
    near: list[set[int]] = [{number} for number in range(len(train))] + [set() for _ in held_out]
    for group in groups:
        for number in group:
            near[number] |= {other for other in group if other < len(train)}
    return near


def read_learned(
    loaded: LoadedVQModel,
    prior: Prior,
    dataset: AudioDataset,
    on_event: OnEvent,
    should_stop: ShouldStop,
    *,
    use_cache: bool = True,
) -> LearnedSounds | None:
    """Return the sounds among `dataset` that a model's prior learned from, None if there are none.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    config, metadata = loaded.prior_config or {}, loaded.prior_metadata or {}
    train_files, held_out_files, missing = training_split(dataset, config, metadata)
    if not train_files:
        return None
    cache = open_code_cache(loaded, prior.layout) if use_cache else None
    silence_WHQ = codes_of_silence(loaded, prior.layout, should_stop)
    encoder = SoundEncoder(loaded, prior.layout, cache, silence_WHQ)
    variants = joined_variants(prior, config, metadata)
    total = len(train_files) * (1 + variants) + len(held_out_files)
    reader = _Reader(encoder, ProgressReporter(Phase.ENCODE, total, on_event), on_event, should_stop)
    train = reader.read(train_files, 0)
    held_out = reader.read(held_out_files, len(train_files))
    known = []
    for number, (file, sound) in enumerate(train):
        known += [KnownSound(sound.sound_WHQ, number), *reader.variants(file, number, variants)]
        reader.progress.update(len(train_files) + len(held_out_files) + (number + 1) * variants)
    if not train:
        return None
    sounds = tuple(sound for _, sound in train), tuple(sound for _, sound in held_out)
    near = _near(*sounds, near_copies([*sounds[0], *sounds[1]], silence_WHQ, should_stop))
    return LearnedSounds(
        tuple(file for file, _ in train),
        sounds[0],
        KnownSounds(known, loaded.geometry.steps_within(LONGEST_EXCERPT_S)),
        tuple(file for file, _ in held_out),
        sounds[1],
        missing,
        tuple(map(frozenset, near)),
    )
