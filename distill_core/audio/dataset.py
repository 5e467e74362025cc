"""A folder of sounds: which are usable, which are not and why, and which are kept for validation."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from distill_core.audio.io import SILENCE_PEAK, UnreadableSoundError, decode_blocks, open_sound, to_mono
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, SkippedFile, ignore, never, stop_point

READABLE_SUFFIXES = frozenset(
    ".wav .wave .aif .aiff .aifc .flac .ogg .oga .opus .mp3 .mp2 .au .snd .caf .w64 .rf64 .voc .sf .ircam .nist .sph"
    " .svx .8svx .iff .avr .paf .fap .pvf .xi .sd2 .sds .htk .wve .bwf".split()
)
UNSUPPORTED_SUFFIXES = frozenset(
    ".m4a .aac .wma .ape .wv .mka .tta .mpc .dsf .dff .ac3 .amr .ra .3gp .mp4 .webm".split()
)
FORMAT_HINT = "Distill reads WAV, AIFF, FLAC, MP3, OGG, Opus and whatever else libsndfile knows."
MAX_CHANNELS = 64
_MIN_DURATION_S = 0.001
# A mono sum 40 dB below its loudest channel has cancelled out.
_CANCELLED_ENERGY_RATIO = 1e-4


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A usable sound: its path, its name inside the folder, and what decoding it showed.

    `channel` is the one to take where the mean of all cancels out; `note` says what a person should know;
    `digest` is the same for files that hold the same sound.
    """

    path: Path
    name: str
    duration_s: float
    sample_rate: int
    channels: int
    digest: str
    channel: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class AudioDataset:
    """The sounds of a folder, in the order of their names."""

    folder: Path
    files: tuple[AudioFile, ...]
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def total_duration_s(self) -> float:
        """Seconds of usable sound."""
        return sum(file.duration_s for file in self.files)


@dataclass(slots=True)
class _Measured:
    """What one pass over a sound's samples tells."""

    frames: int = 0
    peak: float = 0.0
    mono_energy: float = 0.0
    channel_energy: float | np.ndarray[tuple[int], np.dtype[np.float64]] = 0.0
    finite: bool = True
    digest: blake2b = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, block: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        self.frames += len(block)
        self.finite = self.finite and bool(np.isfinite(block).all())
        if not self.finite:
            return
        self.peak = max(self.peak, float(np.abs(block).max()))
        self.mono_energy += float(np.square(to_mono(block, None), dtype=np.float64).sum())
        self.channel_energy = self.channel_energy + np.square(block, dtype=np.float64).sum(axis=0)
        self.digest.update(np.ascontiguousarray(block))

    def uncancelled_channel(self) -> int | None:
        """Return the loudest channel if the channels' mean cancels out, else None."""
        loudest = int(np.argmax(self.channel_energy))
        energies = np.atleast_1d(self.channel_energy)
        return loudest if self.mono_energy < _CANCELLED_ENERGY_RATIO * energies[loudest] else None


def _refuse_unusable(measured: _Measured, duration_s: float) -> None:
    if not measured.frames:
        raise UnreadableSoundError("it holds no sound")
    if not measured.finite:
        raise UnreadableSoundError("it holds values that are not numbers (NaN or infinity)")
    if measured.peak <= SILENCE_PEAK:
        raise UnreadableSoundError("it is silent")
    if measured.frames < 2 or duration_s < _MIN_DURATION_S:
        raise UnreadableSoundError("it is shorter than a millisecond")


def _examine(path: Path, name: str, should_stop: ShouldStop) -> AudioFile:
    if path.suffix.lower() in UNSUPPORTED_SUFFIXES:
        raise UnreadableSoundError(f"{path.suffix[1:].upper()} can't be read; convert it to WAV or FLAC")
    measured = _Measured()
    with open_sound(path) as sound:
        rate, channels, declared = sound.samplerate, sound.channels, sound.frames
        if channels > MAX_CHANNELS:
            raise UnreadableSoundError(f"it has {channels} channels; up to {MAX_CHANNELS} are read")
        for block in decode_blocks(sound):
            stop_point(should_stop)
            measured.add(block)
    duration_s = measured.frames / rate
    _refuse_unusable(measured, duration_s)
    channel = measured.uncancelled_channel()
    notes = []
    if measured.frames < declared:
        notes.append(f"only the first {duration_s:.1f} s could be read")
    if channel is not None:
        notes.append(f"its channels cancel out, so only channel {channel + 1} is used")
    digest = measured.digest.hexdigest()
    return AudioFile(path, name, duration_s, rate, channels, digest, channel, "; ".join(notes))


def _candidate_paths(folder: Path) -> Iterator[Path]:
    """Yield every file that looks like a sound, hidden ones left out, each folder entered once (symlink loops)."""
    entered = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if not name.startswith(".") and suffix in READABLE_SUFFIXES | UNSUPPORTED_SUFFIXES:
                yield Path(root, name)


def _display_name(path: Path, folder: Path) -> str:
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise DatasetError(f"There is no folder “{folder}”.", "Check the name, or choose another folder.")
    if not folder.is_dir():
        raise DatasetError(f"“{folder.name}” is a file, not a folder.", "Choose the folder that the sounds are in.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DatasetError(f"There is no permission to read “{folder}”.", "Choose another folder.")


def _with_duplicate_notes(files: Sequence[AudioFile]) -> tuple[AudioFile, ...]:
    from dataclasses import replace

    first_by_digest: dict[str, str] = {}
    noted = []
    for file in files:
        first = first_by_digest.setdefault(file.digest, file.name)
        note = "; ".join(filter(None, [file.note, f"the same sound as {first}" if first != file.name else ""]))
        noted.append(replace(file, note=note))
    return tuple(noted)


def scan(folder: str | Path, *, on_event: OnEvent = ignore, should_stop: ShouldStop = never) -> AudioDataset:
    """Decode every sound below a folder once and say which are usable.

    Raises:
        DatasetError: the folder is missing, cannot be read or holds no usable sound.
        Stopped: `should_stop()` turned true.
    """
    folder = Path(folder)
    _check_folder(folder)
    paths = sorted(_candidate_paths(folder))
    progress = ProgressReporter("scan", len(paths), on_event)
    files, skipped = [], []
    for done, path in enumerate(paths, start=1):
        stop_point(should_stop)
        name = _display_name(path, folder)
        try:
            files.append(_examine(path, name, should_stop))
        except UnreadableSoundError as error:
            skipped.append(SkippedFile(name, str(error)))
        progress.update(done)
    if not files:
        raise _no_sounds(folder, skipped)
    return AudioDataset(folder, _with_duplicate_notes(files), tuple(skipped))


def _no_sounds(folder: Path, skipped: Sequence[SkippedFile]) -> DatasetError:
    if not skipped:
        return DatasetError(f"No sounds in “{folder.resolve().name}”.", FORMAT_HINT)
    listed = ", ".join(f"{file.name}: {file.reason}" for file in skipped[:3])
    more = f", and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    message = f"None of the {len(skipped)} sounds in “{folder.resolve().name}” can be used ({listed}{more})."
    return DatasetError(message, FORMAT_HINT)


def split_files(
    files: Sequence[AudioFile], val_fraction: float, seed: int
) -> tuple[tuple[AudioFile, ...], tuple[AudioFile, ...]]:
    """Split files into training and validation, the same for the same seed; copies of a sound stay together.

    The validation part is `max(1, round(n * val_fraction))` files and never all of them.

    Raises:
        DatasetError: there are fewer than two files.
    """
    if len(files) < 2:
        raise DatasetError("One sound cannot be split by file.", "Add at least one more sound.")
    wanted = min(len(files) - 1, max(1, round(len(files) * val_fraction)))
    groups: dict[str, list[AudioFile]] = {}
    for file in files:
        groups.setdefault(file.digest, []).append(file)
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    chosen: list[AudioFile] = []
    for group in order:
        if len(chosen) + len(group) <= wanted:
            chosen.extend(group)
    left = [file for group in order for file in group if file not in chosen]
    chosen.extend(left[: wanted - len(chosen)])  # only where copies are too many to be kept together
    validation = tuple(file for file in files if file in chosen)
    return tuple(file for file in files if file not in chosen), validation
