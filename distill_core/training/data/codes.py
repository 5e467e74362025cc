"""The encoding of sounds into codes of the frozen codec, time first, for training and validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill_core.audio.chunks import read_each, split_in_time
from distill_core.audio.dataset import AudioDataset, AudioFile, groups_of_copies, split_numbers
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.audio.variants import ORIGINAL, VARIANTS, Variant, sound_samples
from distill_core.distributed import ALONE, Ranks
from distill_core.errors import DatasetError
from distill_core.events import (
    OnEvent,
    Phase,
    ProgressReporter,
    ShouldStop,
    SkippedFile,
    ignore,
    never,
    stop_point,
    unless_stopped,
)
from distill_core.models.codec import Codec
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Layout
from distill_core.training.data.code_cache import CodeCache
from distill_core.training.data.code_store import NO_SOUND, CodeStore, Numbers, Sounds, Versions
from distill_core.training.data.encoding import ENCODERS, batches_of, encoding
from distill_core.training.data.near_copies import near_copies
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.split_codes import SplitCodes, in_parts

_SENT_AT_ONCE = 32  # sounds of each rank, whose codes the others get together


def extract_code_sequences(
    model: Codec,
    chunks: Tensor | Iterable[Tensor],
    spectrogram: AudioSpectrogram,
    device: torch.device | str,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Return the codes `[N, S, Q]` (int64, on the CPU) of one-second chunks; the codec's weights do not change.

    `chunks` is `[N, samples]`, or an iterable of `[samples]` or `[n, samples]`, at the model's sample rate. The
    positions S are in the format's order: all of time at the lowest band first.

    Raises:
        DatasetError: there are no chunks.
        Stopped: `should_stop()` turned true.
    """
    progress = ProgressReporter(Phase.CODES, len(chunks) if isinstance(chunks, Tensor | Sequence) else 0, on_event)
    found: list[Tensor] = []
    with encoding(model, spectrogram, device, should_stop):
        for waveforms_BT in unless_stopped(batches_of(chunks), should_stop):
            codes_BHWQ = model.codes_of(waveforms_BT).transpose(1, 2)
            found.append(codes_BHWQ.flatten(1, 2).cpu())
            progress.update(sum(map(len, found)))
    if not found:
        raise DatasetError("There are no sounds to encode.", "Add sounds to the folder.")
    return torch.cat(found)


@dataclass(frozen=True, slots=True)
class SoundEncoder:
    """An encoder of sounds for one layout; a sound whose codes are in the cache is neither read nor encoded.

    With `silence_WHQ`, the codes of silence in this layout, a sound ends with its last step that is heard. Of several
    `ranks` each encodes a share of the sounds, and gets the codes of the others.
    """

    loaded: LoadedVQModel
    layout: Layout = "chunks"
    cache: CodeCache | None = None
    silence_WHQ: Tensor | None = None
    ranks: Ranks = ALONE

    def split(
        self,
        dataset: AudioDataset,
        val_fraction: float,
        seed: int,
        on_event: OnEvent = ignore,
        should_stop: ShouldStop = never,
        *,
        looks_for_copies: bool = True,
    ) -> SplitCodes:
        """Encode all sounds as they are, then split them by file; a single sound is split in time.

        Sounds that are nearly the same stay on one side, unless nobody `looks_for_copies`, as in former versions.

        Raises:
            DatasetError: nothing usable is left, or a single sound is too short.
            Stopped: `should_stop()` turned true.
        """
        store, numbers_N = self._all(dataset.files, on_event, should_stop)
        if len(dataset.files) == 1:
            begin, end = self._split_one(store.sound(int(numbers_N[0])), val_fraction)
            train, val = (Sounds(store, [store.add(part)]) for part in (begin, end))
            return SplitCodes(Versions.single(train), val, dataset.files, dataset.files, near_copies=())
        copies = self._copies(dataset.files, store, numbers_N, should_stop) if looks_for_copies else None
        parts = split_numbers(dataset.files, val_fraction, seed, copies)
        return replace(in_parts(store, numbers_N, dataset.files, *parts), near_copies=copies)

    def encode(
        self,
        train_files: Sequence[AudioFile],
        val_files: Sequence[AudioFile],
        on_event: OnEvent = ignore,
        should_stop: ShouldStop = never,
    ) -> SplitCodes:
        """Encode the sounds of a split as they are.

        Raises:
            DatasetError: nothing usable is left of either part.
            Stopped: `should_stop()` turned true.
        """
        files = (*train_files, *val_files)
        store, numbers_N = self._all(files, on_event, should_stop)
        return in_parts(store, numbers_N, files, range(len(train_files)), range(len(train_files), len(files)))

    def _all(self, files: Sequence[AudioFile], on_event: OnEvent, should_stop: ShouldStop) -> tuple[CodeStore, Numbers]:
        """Return the codes of the files that can be read, and each file's number among them, or `NO_SOUND`."""
        progress = ProgressReporter(Phase.ENCODE, len(files), on_event)
        store, numbers_N = CodeStore(self.loaded.model.codebook_size), np.full(len(files), NO_SOUND, np.int32)
        found = enumerate(self._encoded(files, ORIGINAL, should_stop))

        def read(file: AudioFile) -> Iterator[None]:
            index, sound = next(found)
            if isinstance(sound, str):
                raise UnreadableSoundError(sound)
            numbers_N[index] = store.add(sound)
            yield

        with self._trimming():
            stops_here = should_stop if self.ranks.is_alone else never  # ranks stop together, in `_encoded`
            for _ in read_each(files, read, progress, 0, on_event, stops_here):
                pass
        return store, numbers_N

    def _encoded(
        self, files: Sequence[AudioFile], variant: Variant, should_stop: ShouldStop
    ) -> Iterator[SoundCodes | str]:
        """Yield the codes of each file, or why it cannot be read.

        Raises:
            Stopped: `should_stop()` turned true on some rank.
        """

        def encode(number: int) -> Any:
            return self._sent(files[number], variant, should_stop)

        for sent in self.ranks.in_turn(len(files), encode, _SENT_AT_ONCE):
            yield sent if isinstance(sent, str) else SoundCodes(*sent)

    def _sent(self, file: AudioFile, variant: Variant, should_stop: ShouldStop) -> tuple[Tensor, int, bool] | str:
        """Return a sound's codes as plain values, or why it cannot be read."""
        stop_point(should_stop)
        try:
            sound = self.codes_of(file, variant, should_stop)
        except UnreadableSoundError as error:
            return str(error)
        return sound.codes_WHQ, sound.steps, sound.has_end

    def _copies(
        self, files: Sequence[AudioFile], store: CodeStore, numbers_N: Numbers, should_stop: ShouldStop
    ) -> tuple[tuple[AudioFile, ...], ...]:
        """Return the groups of files that are nearly the same."""
        read = np.flatnonzero(numbers_N != NO_SOUND).tolist()
        sounds = Sounds(store, numbers_N[read])
        found = self.ranks.from_first(lambda: near_copies(sounds, self.silence_WHQ, should_stop))
        known = [files[index] for index in read]
        groups = groups_of_copies(known, ([known[number] for number in group] for group in found))
        return tuple(group for group in groups if len(group) > 1)

    def join_variant(
        self, split: SplitCodes, on_event: OnEvent = ignore, should_stop: ShouldStop = never, *, of: int = len(VARIANTS)
    ) -> SplitCodes:
        """Return the codes with the next variant of each training sound; a sound that can no longer be read gets none.

        Progress counts through all variants, `of` of them.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        files, number, store = split.train_files, split.joined, split.versions.store
        progress = ProgressReporter(Phase.VARIANTS, of * len(files), on_event)
        numbers_N = np.full(len(files), NO_SOUND, np.int32)
        with self._trimming():
            for index, sound in enumerate(self._encoded(files, VARIANTS[number], should_stop)):
                if not isinstance(sound, str):
                    numbers_N[index] = store.add(sound)
                elif len(split.versions[index]) == number + 1:  # its first failure
                    reason = f"{sound}; training goes on with what was read of it before"
                    on_event(SkippedFile(files[index].name, reason))
                progress.update(number * len(files) + index + 1)
        return replace(split, versions=split.versions.joined_by(numbers_N), joined=number + 1)

    def join_variants(
        self, split: SplitCodes, count: int, on_event: OnEvent = ignore, should_stop: ShouldStop = never
    ) -> SplitCodes:
        """Return the codes with variants until `count` have joined; a single sound gets none."""
        while split.joined < count and not split.is_one_sound:
            split = self.join_variant(split, on_event, should_stop, of=count)
        return split

    @contextmanager
    def _trimming(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.cache is not None:
                self.cache.trim()

    def codes_of(self, file: AudioFile, variant: Variant, should_stop: ShouldStop) -> SoundCodes:
        """Return the codes of a variant of a sound, up to its last step that is heard.

        Raises:
            UnreadableSoundError: it cannot be read, or no longer.
            Stopped: `should_stop()` turned true.
        """
        codes_WHQ = None if self.cache is None else self.cache.load(file, variant)
        if codes_WHQ is None:
            codes_WHQ = self._encode(file, variant, should_stop)
            if self.cache is not None:
                self.cache.save(file, codes_WHQ, variant)
        sound = self._without_padding(codes_WHQ, sound_samples(file, self.loaded.geometry, variant))
        chunk_steps = self.loaded.geometry.chunk_steps if self.layout == "chunks" else 1
        return sound if self.silence_WHQ is None else sound.without_silent_end(self.silence_WHQ, chunk_steps)

    def _encode(self, file: AudioFile, variant: Variant, should_stop: ShouldStop) -> Tensor:
        """Return the codes `[W, H, Q]` of a sound and of the silence that fills its last second."""
        loaded = self.loaded
        with encoding(loaded.model, loaded.spectrogram, loaded.model.device, should_stop):
            return torch.cat([*ENCODERS[self.layout](file, variant, loaded, should_stop)])

    def _without_padding(self, codes_WHQ: Tensor, samples: int) -> SoundCodes:
        geometry = self.loaded.geometry
        if self.layout == "rows":
            return SoundCodes.whole(codes_WHQ[: geometry.steps_of(samples)])
        second = geometry.chunk_steps
        whole, rest = divmod(samples, geometry.sample_rate)
        steps = min(whole * second + geometry.steps_of(rest), len(codes_WHQ))
        return SoundCodes(codes_WHQ, steps).until(steps, second)  # resampling may have added a sample, and so a chunk

    def _split_one(self, sound: SoundCodes, val_fraction: float) -> tuple[SoundCodes, SoundCodes]:
        """Split a single sound's codes in time."""
        second = self.loaded.geometry.chunk_steps
        if self.layout == "rows":
            train_WHQ, val_WHQ = split_in_time(sound.codes_WHQ, val_fraction, second)
            return SoundCodes.whole(train_WHQ, has_end=False), SoundCodes.whole(val_WHQ)
        train_NWHQ, val_NWHQ = split_in_time(sound.codes_WHQ.unflatten(0, (-1, second)), val_fraction)
        train_WHQ, val_WHQ = train_NWHQ.flatten(0, 1), val_NWHQ.flatten(0, 1)
        before = len(sound.codes_WHQ) - len(val_WHQ)
        return SoundCodes.whole(train_WHQ, has_end=False), SoundCodes(val_WHQ, sound.steps - before)


def encode_and_split(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    val_fraction: float,
    seed: int,
    *,
    layout: Layout = "chunks",
    variants: int = 0,
    cache: CodeCache | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> SplitCodes:
    """Encode all sounds, split by file, and a number of `variants` of each training sound.

    Raises:
        DatasetError: nothing usable is left, or a single sound is too short.
        Stopped: `should_stop()` turned true.
    """
    encoder = SoundEncoder(loaded, layout, cache)
    split = encoder.split(dataset, val_fraction, seed, on_event, should_stop)
    return encoder.join_variants(split, variants, on_event, should_stop)
