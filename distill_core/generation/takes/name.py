"""The name of a take's file, and its settings in words; without torch, for the terminal needs names before any work."""

from __future__ import annotations

import shlex
import unicodedata
from pathlib import Path

from distill_core.audio.sound_format import Container
from distill_core.generation.request import GenerateRequest
from distill_core.text import file_name, printable

_LONGEST_STEM_BYTES = 120  # of 255 that a name can have
_NAMELESS = "sound"


def model_name(model: Path) -> str:
    """Return the name of a model's file without its ending."""
    return file_name(Path(model.stem))


def _is_plain(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM" or char in "-_"


def plain_stem(name: str) -> str:
    """Return a name as letters and digits of any script, joined by single underscores where other characters were.

    It is never empty and has at most 120 bytes.
    """
    text = unicodedata.normalize("NFKC", printable(name, 4 * _LONGEST_STEM_BYTES))
    words = "".join(char if _is_plain(char) else " " for char in text).replace("_", " ").split()
    shortened = "_".join(words).encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore")
    return shortened.strip("_-") or _NAMELESS


def take_name(model: Path, number: int, seed: int, container: Container = Container.WAV) -> str:
    """Return the name of a take's file: `MODEL_take12_seed41.wav`."""
    return f"{plain_stem(model_name(model))}_take{number}_seed{seed}.{container}"


def epoch_take_name(model: Path, epoch: int, seed: int) -> str:
    """Return the name of the file of an epoch's take: `MODEL_epoch31_seed41.wav`."""
    return f"{plain_stem(model_name(model))}_epoch{epoch}_seed{seed}.{Container.WAV}"


def _number(value: float) -> str:
    """Return a number that reads back as the same one, a whole one without its zero."""
    return repr(float(value)).removesuffix(".0")


def _length_flags(request: GenerateRequest) -> list[str]:
    """Return the length, also where it is the usual one: the same sound has the same tags, whoever asked for it."""
    usual = request.usual_seconds if request.prompt is None else None
    seconds = usual if request.seconds is None else request.seconds
    return ["--until-end"] * request.until_end + ([] if seconds is None else ["--seconds", _number(seconds)])


def _level_flags(request: GenerateRequest) -> list[str]:
    factors = ",".join(map(_number, request.level_temperatures))
    flags = ["--level-temperatures", factors] if factors else []
    return flags + (["--levels", str(request.levels)] if request.levels else [])


def _prompt_flags(request: GenerateRequest, anonymous: bool) -> list[str]:
    if request.prompt is None:
        return []
    name = "FILE" if anonymous else file_name(request.prompt)
    return ["--prompt", name, "--mode", request.mode.value]


def settings_words(request: GenerateRequest, anonymous: bool = False) -> str:
    """Return the settings that make a take again, as flags of `distill generate`; `anonymous` names no sound."""
    numbers = [request.temperature, request.top_k, request.top_p]
    flags = _length_flags(request)
    for flag, value in zip(("--temperature", "--top-k", "--top-p"), numbers, strict=True):
        flags += [flag, _number(value)]
    flags += _level_flags(request) + ["--loop"] * request.loop
    return shlex.join([*flags, *_prompt_flags(request, anonymous), "--seed", str(request.seed)])
