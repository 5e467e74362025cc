"""A take as a file for other programs: its tags, and its bytes."""

from __future__ import annotations

from pathlib import Path

from distill_core.audio.export import EncodedSound, Tags, encode_sound
from distill_core.audio.sound_format import SoundFormat
from distill_core.files.new_file import write_new_file
from distill_core.generation.origin import Origin, codes_digest
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.name import model_name, settings_words
from distill_core.generation.takes.papers import papers_of
from distill_core.software import software

_DEFAULT, _UNKNOWN = SoundFormat(), Origin()


def tags_for(
    request: GenerateRequest,
    model: Path,
    anonymous: bool = False,
    *,
    origin: Origin = _UNKNOWN,
    codes: str = "",
    verdict: str = "",
) -> Tags:
    """Return the tags of a take of a model file; they have no date, and neither a path nor the name of a training set.

    `origin`, the digest of its `codes` and its `verdict` (one word) are its papers, "" for what is unknown. Where it is
    `anonymous`, or its model is, the name of the sound that it starts from is left out, too.
    """
    name, settings = model_name(model), settings_words(request, anonymous or origin.is_anonymous)
    comment = papers_of(settings, request.seed, origin, codes, verdict)
    return Tags(title=f"{name}, seed {request.seed}", album=name, comment=comment, software=software())


def encode_take(
    sample: Sample, model: Path, form: SoundFormat = _DEFAULT, *, anonymous: bool = False, verdict: str = ""
) -> EncodedSound:
    """Return a take's file: the same bytes for the same take and verdict, from the window and from the terminal."""
    codes = codes_digest(sample.codes_WHQ)
    tags = tags_for(sample.request, model, anonymous, origin=sample.origin, codes=codes, verdict=verdict)
    return encode_sound(sample.waveform_T, sample.sample_rate, form, tags, gain=sample.gain, is_loop=sample.is_loop)


def write_take(
    sample: Sample,
    model: Path,
    path: Path,
    form: SoundFormat = _DEFAULT,
    *,
    anonymous: bool = False,
    verdict: str = "",
    replace: bool = False,
) -> EncodedSound:
    """Write a take's file in one step, with `replace` in the place of another, and return what was written.

    Raises:
        ReadOnlyError: the file or its folder cannot be written.
        SaveError: there is a file and not `replace`, no room, or no such folder; what was there is unchanged.
    """
    encoded = encode_take(sample, model, form, anonymous=anonymous, verdict=verdict)
    write_new_file(path, encoded.data, replace=replace)
    return encoded
