"""Whether a model makes a take: its codes drawn again by the settings in a file's tags, and its sound made again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.export import encode_sound
from distill_core.audio.sound_format import HIGHEST_RATE, LOWEST_RATE, Container, SoundFormat
from distill_core.audio.tags import TaggedSound, read_frames, read_tagged
from distill_core.errors import ConfigError, DatasetError
from distill_core.events import ShouldStop, never
from distill_core.generation.generate import DrawnTake, draw_take, sound_of
from distill_core.generation.origin import codes_digest, origin_of
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.papers import VERSION, TakePapers, read_papers, request_of, with_prompt
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.text import file_name

# Codes are the same on every machine; sound is rounded otherwise on another one, and by a dither to 16 bits.
_ROUNDING = 1e-4  # −80 dB


class Finding(StrEnum):
    """The result of a verification; the first that fits."""

    NO_TAGS = "no_tags"
    NEWER_TAGS = "newer_tags"
    ANOTHER_MODEL = "another_model"
    ANOTHER_PRIOR = "another_prior"
    OTHER_CODES = "other_codes"
    CHANGED_SOUND = "changed_sound"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Verification:
    """The finding on a file that says it is a take; `papers` and `request` are those in its tags, None for none.

    `codes_agree` and `sound_agrees` are None where it did not come to that.
    """

    finding: Finding
    papers: TakePapers | None = None
    request: GenerateRequest | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the file is the take that its tags tell of, made by this model."""
        return self.finding is Finding.SAME

    @property
    def codes_agree(self) -> bool | None:
        """Whether the model makes exactly these codes."""
        known = {Finding.SAME: True, Finding.CHANGED_SOUND: True, Finding.OTHER_CODES: False}
        return known.get(self.finding)

    @property
    def sound_agrees(self) -> bool | None:
        """Whether the sound in the file is the sound of these codes."""
        return {Finding.SAME: True, Finding.CHANGED_SOUND: False}.get(self.finding)


def _tags_of(take: Path) -> TaggedSound:
    """Return a sound file's tags.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return read_tagged(take)
    except UnreadableSoundError as error:
        text = f"“{file_name(take)}” can't be read: {error}."
        raise DatasetError(text, "Name a WAV or FLAC file that Distill has written.") from error


def _stranger(papers: TakePapers, loaded: LoadedVQModel) -> Finding | None:
    """Return whose take it is if it is not this model's, by what the tags say of its maker."""
    own = origin_of(loaded)
    if papers.model_id and papers.model_id != own.model_id:
        return Finding.ANOTHER_MODEL
    if papers.prior and papers.prior != own.prior and (loaded.prior is not None or not loaded.has_prior):
        return Finding.ANOTHER_PRIOR
    return None


def _drawn(loaded: LoadedVQModel, request: GenerateRequest, should_stop: ShouldStop) -> DrawnTake | None:
    """Return a take's codes, None for a request that this model cannot fulfil."""
    try:
        return draw_take(loaded, request, should_stop)
    except ConfigError:
        return None


def _is_sound_of(sample: Sample, take: Path, tagged: TaggedSound) -> bool:
    """Tell whether a file holds the sound of a take at the file's rate and in its numbers, but for rounding."""
    if tagged.channels != 1 or tagged.subtype is None or not LOWEST_RATE <= tagged.sample_rate <= HIGHEST_RATE:
        return False
    form = SoundFormat(Container.WAV, tagged.subtype, tagged.sample_rate)
    own = encode_sound(sample.waveform_T, sample.sample_rate, form, gain=sample.gain, is_loop=sample.is_loop)
    if own.frames != tagged.frames:
        return False
    try:
        found_TC = read_frames(take, own.frames)
    except UnreadableSoundError:
        return False
    own_TC = read_frames(io.BytesIO(own.data), own.frames)
    return found_TC.shape == own_TC.shape and bool(((found_TC - own_TC).abs() <= _ROUNDING).all())


def verify_take(
    take: str | Path, model: str | Path, prompt: str | Path | None = None, *, should_stop: ShouldStop = never
) -> Verification:
    """Say whether a file is the take that its tags tell of, and a model makes it; `prompt` is the sound it starts from.

    Raises:
        DatasetError: the file is no sound, or the prompt cannot be used.
        ConfigError: the take starts from a sound, and there is no `prompt`.
        ModelFileError: the model cannot be opened, or a newer Distill made its prior.
        Stopped: `should_stop()` turned true.
    """
    take = Path(take)
    tagged = _tags_of(take)
    papers = read_papers(tagged.comment)
    if papers is None:
        return Verification(Finding.NO_TAGS)
    request = request_of(papers.settings)
    if papers.version > VERSION:
        return Verification(Finding.NEWER_TAGS, papers)
    if request is None or not papers.codes:
        return Verification(Finding.NO_TAGS, papers)
    loaded = load_model_v2(model)
    if (stranger := _stranger(papers, loaded)) is not None:
        return Verification(stranger, papers, request)
    wanted = with_prompt(request, None if prompt is None else Path(prompt))
    drawn = _drawn(loaded, wanted, should_stop)
    if drawn is None or codes_digest(drawn.codes_WHQ) != papers.codes:
        return Verification(Finding.OTHER_CODES, papers, request)
    is_same = _is_sound_of(sound_of(loaded, drawn, should_stop), take, tagged)
    return Verification(Finding.SAME if is_same else Finding.CHANGED_SOUND, papers, request)


def verification_words(found: Verification, take: Path, model: Path) -> str:
    """Return a finding in a sentence or two."""
    file, maker = f"“{file_name(take)}”", f"“{file_name(model)}”"
    seed = "" if found.request is None else f" with seed {found.request.seed}"
    starts = found.request is not None and found.request.prompt is not None
    return {
        Finding.NO_TAGS: f"{file} has no tags that tell which model made it, from which codes.",
        Finding.NEWER_TAGS: f"A newer Distill wrote the tags of {file}. Please update Distill.",
        Finding.ANOTHER_MODEL: f"Another model made {file}, not {maker}.",
        Finding.ANOTHER_PRIOR: f"{maker} has been trained again since it made {file}, or is a copy with another prior.",
        Finding.OTHER_CODES: f"{maker} makes other codes{seed} and the settings in the tags of {file}"
        + (", or the sound to start from is another one." if starts else "."),
        Finding.CHANGED_SOUND: f"{maker} makes exactly the codes that the tags of {file} tell of{seed}. "
        "But the sound in the file was changed since, or is another one.",
        Finding.SAME: f"{maker} makes {file}{seed}: exactly these codes, and this sound.",
    }[found.finding]
