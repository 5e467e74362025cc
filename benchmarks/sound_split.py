"""The sounds that a codec is judged on, and those that it learns from, the same for all contenders.

A set of more than 20 files is split once, by the product's own rule. A smaller one is judged in up to five folds: each
file is held out once, and its siblings with it, as are `Kick_1` and `Kick_2`, or `cymbal_hard` and `cymbal_soft`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.training.settings import val_fraction_for

FOLDS, MOST_FILES_IN_FOLDS = 5, 20
_WORDS_OF_A_NAME = 2
_WAYS_TO_STRIKE = {"hard", "soft", "medium", "loud", "quiet", "open", "closed", "pedal", "left", "right"}
_WAYS_TO_STRIKE |= {"pp", "mp", "mf", "ff", "vel", "velocity", "rr", "take"}


@dataclass(frozen=True)
class Part:
    """The sounds that contenders get, and the sounds that none of them sees."""

    known: AudioDataset
    held_out: tuple[AudioFile, ...]


def family_of(name: str) -> str:
    """Return what siblings share: a file's folder and the first words of its name, without numbers and strength."""
    path = PurePath(name)
    words = [word for word in re.findall(r"[^\W\d_]+", path.stem.lower()) if word not in _WAYS_TO_STRIKE]
    return f"{path.parent}/{' '.join(words[:_WORDS_OF_A_NAME]) or path.stem}"


def families(files: Sequence[AudioFile]) -> list[list[AudioFile]]:
    """Return the files in groups; those of one name's family are together, and so are copies of a sound."""
    groups: list[list[AudioFile]] = []
    for file in files:
        kin = [group for group in groups if any(_are_siblings(file, other) for other in group)]
        groups = [group for group in groups if group not in kin]
        groups.append([file, *(other for group in kin for other in group)])
    return groups


def _are_siblings(file: AudioFile, other: AudioFile) -> bool:
    return family_of(file.name) == family_of(other.name) or file.digest == other.digest


def folds(files: Sequence[AudioFile], count: int, seed: int) -> list[list[AudioFile]]:
    """Return up to `count` folds of nearly the same size, none of which parts a family; of one family, each file."""
    groups = families(files)
    if len(groups) == 1:
        groups = [[file] for file in files]
    random.Random(seed).shuffle(groups)
    found: list[list[AudioFile]] = [[] for _ in range(min(count, len(groups)))]
    for group in sorted(groups, key=len, reverse=True):
        min(found, key=len).extend(group)
    return found


def parts_of(dataset: AudioDataset, seed: int) -> Iterator[Part]:
    """Yield the only part of a set, or one for each fold of a small one.

    Raises:
        DatasetError: there are fewer than two files.
    """
    known, held_out = split_files(dataset.files, val_fraction_for(len(dataset.files)), seed)
    if len(dataset.files) > MOST_FILES_IN_FOLDS:
        yield Part(replace(dataset, files=known), held_out)
        return
    for fold in folds(dataset.files, FOLDS, seed):
        kept_aside = {file.name for file in fold}
        left = tuple(file for file in dataset.files if file.name not in kept_aside)
        yield Part(replace(dataset, files=left), tuple(fold))
