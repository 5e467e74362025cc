"""Sounds as training takes them: one-second chunks of each file, and the end of a single file kept apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from distill_core.audio.dataset import AudioFile, check_unchanged
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.io import chunks_of_blocks, cut_blocks
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.audio.variants import ORIGINAL, Variant, read_variant, read_with_one_gain
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, SkippedFile, stop_point

_Item = TypeVar("_Item")


def read_file(
    file: AudioFile, config: SpectrogramConfig, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a file's chunks, each with a gain of its own, some at a time: hours need no more memory than seconds.

    Raises:
        UnreadableSoundError: it vanished or changed since the scan.
        Stopped: `should_stop()` turned true.
    """
    check_unchanged(file, should_stop)
    yield from chunks_of_blocks(read_variant(file, config, should_stop, variant), config.chunk_samples)


def read_each(
    files: Sequence[AudioFile],
    read: Callable[[AudioFile], Iterable[_Item]],
    progress: ProgressReporter,
    already_done: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Iterator[_Item]:
    """Yield what `read` yields for each of the files, in order.

    A file that vanished or changed since the scan is told as `SkippedFile` and left out.

    Raises:
        DatasetError: none of the files is left.
        Stopped: `should_stop()` turned true.
    """
    usable = 0
    for done, file in enumerate(files, start=already_done + 1):
        stop_point(should_stop)
        try:
            yield from read(file)
            usable += 1
        except UnreadableSoundError as error:
            on_event(SkippedFile(file.name, str(error)))
        progress.update(done)
    if not usable:
        raise DatasetError("The sounds have changed or vanished since they were scanned.", "Scan the folder again.")


def read_chunks(
    files: Sequence[AudioFile],
    config: SpectrogramConfig,
    progress: ProgressReporter,
    already_done: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Iterator[Tensor]:
    """Yield the files' chunks in order, some `[n, samples]` of one file at a time, with one gain a file.

    Raises:
        DatasetError: none of the files is left.
        Stopped: `should_stop()` turned true.
    """

    def read(file: AudioFile) -> Iterator[Tensor]:
        check_unchanged(file, should_stop)
        return cut_blocks(read_with_one_gain(file, config, should_stop), config.chunk_samples)

    yield from read_each(files, read, progress, already_done, on_event, should_stop)


def split_in_time(items_N: Tensor, val_fraction: float, a_second: int = 1) -> tuple[Tensor, Tensor]:
    """Keep the end of a single sound for validation, a second apart where it is long enough.

    `items_N` holds what belongs to each chunk or step, in order, along its first axis; `a_second` says how many of them
    a second has.

    Raises:
        DatasetError: it is a second long or less.
    """
    total = len(items_N)
    if total <= a_second:
        raise DatasetError(
            "One sound of a second or less is too little to learn from.",
            "Add more sounds, or one that is several seconds long.",
        )
    wanted = max(1, min(total - a_second, max(a_second, round(total * val_fraction))))
    gap = a_second if total - wanted > a_second else 0
    return items_N[: total - wanted - gap], items_N[total - wanted :]
