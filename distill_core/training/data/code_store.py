"""The codes of a training's sounds in one place: time first, one sound after another, in the smallest numbers.

A sound is its number. Its codes become a tensor only when somebody looks at them, so that many thousand sounds take
little more memory than their codes take on disk.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray

from distill_core.training.data.scratch import Scratch
from distill_core.training.data.sound_codes import SoundCodes

Numbers: TypeAlias = NDArray[np.int32]
NO_SOUND = -1  # in the place of a version that could not be read


class CodeStore:
    """The codes of sounds, appended one by one; all have the same bands and levels."""

    def __init__(self, codebook_size: int) -> None:
        self._codebook_size = codebook_size
        self._number_type = np.min_scalar_type(codebook_size - 1)
        self._scratch = Scratch()
        self._offsets, self._padded, self._steps, self._has_end = array("q"), array("i"), array("i"), array("b")
        self._step_shape: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def step_shape(self) -> tuple[int, int]:
        """The bands and levels of a step."""
        return self._step_shape

    def add(self, sound: SoundCodes) -> int:
        """Append a sound, and return its number.

        Raises:
            ValueError: a code is none of the codebook's.
        """
        codes_WHQ = sound.codes_WHQ.numpy()
        if codes_WHQ.size and not 0 <= codes_WHQ.min() <= codes_WHQ.max() < self._codebook_size:
            raise ValueError(f"a code is none of the codebook's {self._codebook_size}")
        self._step_shape = (codes_WHQ.shape[1], codes_WHQ.shape[2])
        self._offsets.append(self._scratch.append(codes_WHQ.astype(self._number_type).tobytes()))
        self._padded.append(len(codes_WHQ))
        self._steps.append(sound.steps)
        self._has_end.append(sound.has_end)
        return len(self._offsets) - 1

    def shape_of(self, number: int) -> tuple[int, int, bool]:
        """Return a sound's steps with padding and without it, and whether it ends after them."""
        return self._padded[number], self._steps[number], bool(self._has_end[number])

    def steps_of(self, numbers_N: Numbers) -> Numbers:
        """Return the steps without padding of sounds."""
        return np.array(self._steps, np.int32)[numbers_N]

    def part(self, number: int, first: int, stop: int) -> NDArray[Any]:
        """Return a sound's codes `[W, H, Q]` from a step to another, in the smallest numbers; no more than it has.

        Raises:
            TrainingError: the disk does not give them back.
        """
        bands, levels = self._step_shape
        width = bands * levels * self._number_type.itemsize
        stop = min(stop, self._padded[number])
        content = self._scratch.read(self._offsets[number] + first * width, max(0, stop - first) * width)
        return np.frombuffer(content, self._number_type).reshape(-1, bands, levels)

    def sound(self, number: int) -> SoundCodes:
        """Return a sound.

        Raises:
            TrainingError: the disk does not give it back.
        """
        padded, steps, has_end = self.shape_of(number)
        return SoundCodes(torch.from_numpy(self.part(number, 0, padded).astype(np.int64)), steps, has_end)


class Sounds(Sequence[SoundCodes]):
    """Some sounds of a store, in an order of their own."""

    def __init__(self, store: CodeStore, numbers: Iterable[int] | Numbers) -> None:
        self.store = store
        self.numbers_N: Numbers = np.fromiter(numbers, np.int32)

    @classmethod
    def of(cls, sounds: Iterable[SoundCodes], codebook_size: int) -> Sounds:
        """Return sounds in a store of their own."""
        store = CodeStore(codebook_size)
        return cls(store, [store.add(sound) for sound in sounds])

    def __len__(self) -> int:
        return len(self.numbers_N)

    @overload
    def __getitem__(self, index: int) -> SoundCodes: ...

    @overload
    def __getitem__(self, index: slice) -> Sounds: ...

    def __getitem__(self, index: int | slice) -> SoundCodes | Sounds:
        if isinstance(index, slice):
            return Sounds(self.store, self.numbers_N[index])
        return self.store.sound(int(self.numbers_N[index]))

    def __iter__(self) -> Iterator[SoundCodes]:
        return (self.store.sound(number) for number in self.numbers_N.tolist())

    @property
    def steps_N(self) -> Numbers:
        """The steps of each, without padding."""
        return self.store.steps_of(self.numbers_N)

    @property
    def code_count(self) -> int:
        """The number of codes, without padding."""
        bands, levels = self.store.step_shape
        return int(self.steps_N.sum(dtype=np.int64)) * bands * levels


class Versions(Sequence[Sounds]):
    """The versions of sounds: for each the sound as it is, then the variants that could be read."""

    def __init__(self, store: CodeStore, numbers_NV: Numbers) -> None:
        self.store, self.numbers_NV = store, numbers_NV

    @classmethod
    def single(cls, sounds: Sounds) -> Versions:
        """Return sounds that have no variants."""
        return cls(sounds.store, sounds.numbers_N[:, None])

    @classmethod
    def of(cls, sounds: Iterable[Iterable[SoundCodes]], codebook_size: int) -> Versions:
        """Return sounds in one version or more each, in a store of their own."""
        store = CodeStore(codebook_size)
        numbers = [[store.add(version) for version in versions] for versions in sounds]
        most = max(map(len, numbers), default=1)
        rows = [[*row, *[NO_SOUND] * (most - len(row))] for row in numbers]
        return cls(store, np.array(rows, np.int32).reshape(len(rows), most))

    def __len__(self) -> int:
        return len(self.numbers_NV)

    @overload
    def __getitem__(self, index: int) -> Sounds: ...

    @overload
    def __getitem__(self, index: slice) -> Versions: ...

    def __getitem__(self, index: int | slice) -> Sounds | Versions:
        if isinstance(index, slice):
            return Versions(self.store, self.numbers_NV[index])
        numbers_V = self.numbers_NV[index]
        return Sounds(self.store, numbers_V[numbers_V != NO_SOUND])

    @property
    def first(self) -> Sounds:
        """The sounds as they are."""
        return Sounds(self.store, self.numbers_NV[:, 0])

    def until(self, count: int) -> Versions:
        """Return the sounds with their first `count` versions at most."""
        return Versions(self.store, self.numbers_NV[:, :count])

    def joined_by(self, numbers: Iterable[int]) -> Versions:
        """Return the sounds with one more version each, by its number, or `NO_SOUND`."""
        column_N = np.fromiter(numbers, np.int32)
        return Versions(self.store, np.concatenate([self.numbers_NV, column_N[:, None]], axis=1))
