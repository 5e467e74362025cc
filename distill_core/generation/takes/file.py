"""A take as a file for other programs: its tags, and its bytes."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from distill_core.audio.export import EncodedSound, Tags, encode_sound
from distill_core.audio.sound_format import SoundFormat
from distill_core.files.new_file import write_new_file
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.name import model_name, settings_words
from distill_core.text import printable

_LONGEST_TAG = 1000
_DEFAULT = SoundFormat()


def software() -> str:
    """Return Distill's name and version."""
    with suppress(PackageNotFoundError):
        return f"Distill {version('distill')}"
    return "Distill"


def tags_for(request: GenerateRequest, model: Path, anonymous: bool = False) -> Tags:
    """Return the tags of a take of a model file; they have no date, and neither a path nor the name of a training set.

    `anonymous` leaves out the name of the sound that it starts from, too.
    """
    name, settings = model_name(model), printable(settings_words(request, anonymous), _LONGEST_TAG)
    return Tags(title=f"{name}, seed {request.seed}", album=name, comment=settings, software=software())


def encode_take(sample: Sample, model: Path, form: SoundFormat = _DEFAULT, *, anonymous: bool = False) -> EncodedSound:
    """Return a take's file: the same bytes for the same take, from the window and from the terminal."""
    tags = tags_for(sample.request, model, anonymous)
    return encode_sound(sample.waveform_T, sample.sample_rate, form, tags, gain=sample.gain, is_loop=sample.is_loop)


def write_take(
    sample: Sample,
    model: Path,
    path: Path,
    form: SoundFormat = _DEFAULT,
    *,
    anonymous: bool = False,
    replace: bool = False,
) -> EncodedSound:
    """Write a take's file in one step, with `replace` in the place of another, and return what was written.

    Raises:
        ReadOnlyError: the file or its folder cannot be written.
        SaveError: there is a file and not `replace`, no room, or no such folder; what was there is unchanged.
    """
    encoded = encode_take(sample, model, form, anonymous=anonymous)
    write_new_file(path, encoded.data, replace=replace)
    return encoded
