"""The codes of a set of sounds, split by file for training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from distill_core.audio.chunks import none_left
from distill_core.audio.dataset import AudioFile
from distill_core.training.data.code_store import NO_SOUND, CodeStore, Numbers, Sounds, Versions


@dataclass(frozen=True, slots=True)
class SplitCodes:
    """Codes of the training and the validation sounds, and their files.

    A training sound has one version or more: the sound as it is, then the variants that have joined, `joined` of them.
    `near_copies` has the groups of files that are nearly the same and stay on one side, None if nobody looked for any.
    """

    versions: Versions
    val: Sounds
    train_files: tuple[AudioFile, ...]
    val_files: tuple[AudioFile, ...]
    joined: int = 0
    near_copies: tuple[tuple[AudioFile, ...], ...] | None = None
    # By the steps of a chunk: of 20,000 sounds one takes half a second, and each state of a run asks for it.
    digests: dict[int | None, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def train(self) -> Sounds:
        """The training sounds as they are."""
        return self.versions.first

    @property
    def all(self) -> Sounds:
        """The sounds as they are, training ones first."""
        numbers = (self.train.numbers_N, self.val.numbers_N)
        return Sounds(self.versions.store, np.concatenate(numbers))

    @property
    def is_one_sound(self) -> bool:
        """Whether the set is a single sound, split in time."""
        return self.train_files == self.val_files

    @property
    def count(self) -> int:
        """The number of codes of the sounds as they are, without padding."""
        return self.train.code_count + self.val.code_count


def _part(
    store: CodeStore, numbers_N: Numbers, files: Sequence[AudioFile], chosen: Sequence[int]
) -> tuple[Sounds, tuple[AudioFile, ...]]:
    """Return the codes and the files of a part of a split, without those that could not be read.

    Raises:
        DatasetError: nothing is left of it.
    """
    read = [index for index in chosen if numbers_N[index] != NO_SOUND]
    if not read:
        raise none_left()
    return Sounds(store, numbers_N[read]), tuple(files[index] for index in read)


def in_parts(
    store: CodeStore, numbers_N: Numbers, files: Sequence[AudioFile], train: Sequence[int], val: Sequence[int]
) -> SplitCodes:
    """Return the codes of a split, whose files are told by their numbers.

    Raises:
        DatasetError: nothing is left of either part.
    """
    (train_sounds, train_files), (val_sounds, val_files) = (
        _part(store, numbers_N, files, chosen) for chosen in (train, val)
    )
    return SplitCodes(Versions.single(train_sounds), val_sounds, train_files, val_files)
