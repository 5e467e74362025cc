"""A prompt: a sound from outside as codes, to be continued or varied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile, scan
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.geometry import Geometry
from distill_core.audio.rows import read_row
from distill_core.errors import ConfigError, DatasetError
from distill_core.events import ShouldStop
from distill_core.generation.request import LONGEST_S, PromptMode
from distill_core.generation.sampling import GIVEN_NONE
from distill_core.models.persistence import LoadedVQModel
from distill_core.text import LONGEST_NAME, printable

_ANOTHER = "Nothing was made. Choose another sound."
_HEARD_MS = 10.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's codes `[W, H, Q]`, the samples that count of it, and sentences on what was done to its sound."""

    codes_WHQ: Tensor
    samples: int = 0
    notes: tuple[str, ...] = ()

    def given(self, mode: PromptMode) -> Tensor:
        """Return the codes that a take begins with: all, or the coarse levels with the fine ones to be drawn.

        Raises:
            ConfigError: there is only one level, so nothing can be varied.
        """
        if mode is PromptMode.CONTINUE:
            return self.codes_WHQ
        levels = self.codes_WHQ.shape[2]
        if levels == 1:
            raise ConfigError("mode", "This model has one level of codes, so a sound can't be varied.", "Continue it.")
        given_WHQ = self.codes_WHQ.clone()
        given_WHQ[..., coarse_levels(levels) :] = GIVEN_NONE
        return given_WHQ


def coarse_levels(levels: int) -> int:
    """Return the number of levels that a variation keeps: about half, and at least the coarsest."""
    return max(1, levels // 2)


def _conversion(file: AudioFile, sample_rate: int) -> tuple[str, ...]:
    """Return a sentence on the conversion of a file to mono at a rate, if there was any."""
    if file.sample_rate == sample_rate and file.channels == 1:
        return ()
    channels = {1: "mono", 2: "stereo"}.get(file.channels, f"{file.channels} channels")
    before, after = file.sample_rate / 1000, sample_rate / 1000
    return (f"The prompt was converted from {before:g} kHz, {channels}, to {after:g} kHz, mono.",)


def _only_file(path: Path, should_stop: ShouldStop) -> AudioFile:
    name = printable(path.name, LONGEST_NAME)
    if path.is_dir():
        raise DatasetError(f"“{name}” is a folder, and a prompt is one sound.", _ANOTHER)
    try:
        (file,) = scan(path, should_stop=should_stop).files
    except DatasetError as error:
        raise DatasetError(error.message, _ANOTHER) from error
    if file.duration_s >= LONGEST_S:
        length = f"{file.duration_s / 60:.0f} minutes"
        raise DatasetError(f"“{name}” is {length} long, and a take at most {LONGEST_S / 60:g}.", _ANOTHER)
    return file


def _rest(samples: int, geometry: Geometry) -> tuple[str, ...]:
    """Return a sentence on the end of a prompt that is less than a step, if it can be heard."""
    milliseconds = 1000 * (samples % geometry.step_samples) / geometry.sample_rate
    if milliseconds < _HEARD_MS:
        return ()
    return (f"The prompt's last {milliseconds:.0f} ms are less than a step of this model, and are left out.",)


def read_prompt(path: Path, loaded: LoadedVQModel, mode: PromptMode, should_stop: ShouldStop) -> Prompt:
    """Return a prompt's codes, with one gain for the whole sound; a continued one has whole steps only.

    Raises:
        DatasetError: it cannot be read, is silent, or shorter than a step; says why.
        Stopped: `should_stop()` turned true.
    """
    file, geometry = _only_file(path, should_stop), loaded.geometry
    try:
        with torch.inference_mode():
            pieces = [
                loaded.model.codes_of(piece.waveform_T[None], piece.skipped, piece.steps)[0].cpu()
                for piece in read_row(file, geometry, should_stop)
            ]
    except UnreadableSoundError as error:
        raise DatasetError(f"The prompt can't be read: {error}.", _ANOTHER) from error
    samples = round(file.duration_s * geometry.sample_rate)
    whole, filled = samples // geometry.step_samples, geometry.steps_of(samples)
    if whole < 1:
        name, least = printable(file.name, LONGEST_NAME), f"{1000 * geometry.step_s:.0f} ms"
        raise DatasetError(f"“{name}” is shorter than a step of this model, {least}.", _ANOTHER)
    is_continued = mode is PromptMode.CONTINUE
    codes_WHQ = torch.cat(pieces)[: whole if is_continued else filled].clone()
    notes = (f"The prompt: {file.note}.",) if file.note else ()
    rest = _rest(samples, geometry) if is_continued else ()
    kept = whole * geometry.step_samples if is_continued else samples
    return Prompt(codes_WHQ, kept, (*_conversion(file, geometry.sample_rate), *notes, *rest))
