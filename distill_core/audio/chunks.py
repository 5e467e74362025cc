"""One-second chunks of sounds for training, and the held-out end of a single sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from distill_core.audio.dataset import AudioFile, check_unchanged
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.geometry import Geometry
from distill_core.audio.io import chunks_of_blocks, cut_blocks
from distill_core.audio.variants import ORIGINAL, Variant, read_variant, read_with_one_gain
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, SkippedFile, stop_point

_Item = TypeVar("_Item")


def read_file(
    file: AudioFile, geometry: Geometry, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a file's chunks, some at a time, each with a gain of its own; hours need no more memory than seconds.

    Raises:
        UnreadableSoundError: it vanished or changed since the scan.
        Stopped: `should_stop()` turned true.
    """
    check_unchanged(file, should_stop)
    yield from chunks_of_blocks(read_variant(file, geometry, should_stop, variant), geometry.sample_rate)


def none_left() -> DatasetError:
    """Return the error of sounds none of which can be read any more."""
    return DatasetError("The sounds have changed or vanished since they were scanned.", "Scan the folder again.")


def read_each(
    files: Sequence[AudioFile],
    read: Callable[[AudioFile], Iterable[_Item]],
    progress: ProgressReporter,
    already_done: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Iterator[_Item]:
    """Yield the items that `read` yields for each of the files, in order.

    A file that vanished or changed since the scan is left out and reported as `SkippedFile`.

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
        raise none_left()


def read_chunks(
    files: Sequence[AudioFile],
    geometry: Geometry,
    progress: ProgressReporter,
    already_done: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Iterator[Tensor]:
    """Yield the files' chunks in order, some `[n, samples]` of one file at a time, with one gain for each file.

    Raises:
        DatasetError: none of the files is left.
        Stopped: `should_stop()` turned true.
    """

    def read(file: AudioFile) -> Iterator[Tensor]:
        check_unchanged(file, should_stop)
        return cut_blocks(read_with_one_gain(file, geometry, should_stop), geometry.sample_rate)

    yield from read_each(files, read, progress, already_done, on_event, should_stop)


def split_in_time(items_N: Tensor, val_fraction: float, items_per_second: int = 1) -> tuple[Tensor, Tensor]:
    """Return the beginning and the held-out end of a single sound, a second apart if it is long enough.

    The first axis of `items_N` is time, in chunks or steps: `items_per_second` of them are a second.

    Raises:
        DatasetError: it is a second long or less.
    """
    total = len(items_N)
    if total <= items_per_second:
        raise DatasetError(
            "One sound of a second or less is too little to learn from.",
            "Add more sounds, or one that is several seconds long.",
        )
    wanted = max(1, min(total - items_per_second, max(items_per_second, round(total * val_fraction))))
    gap = items_per_second if total - wanted > items_per_second else 0
    return items_N[: total - wanted - gap], items_N[total - wanted :]
