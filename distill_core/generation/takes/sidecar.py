"""The sidecar of a take's file: a JSON beside it that tells how it was made. It names no sound but a prompt's."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from distill_core.audio.sound_format import SoundFormat
from distill_core.files.new_file import check_new_file, exists_error, write_new_file
from distill_core.generation.origin import Origin
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.name import model_name, settings_words
from distill_core.software import software
from distill_core.text import file_name

_FORMAT, _VERSION = "distill_take_papers", 1
_LARGEST = 1 << 20  # bytes
_SETTINGS = ("seconds", "until_end", "temperature", "level_temperatures", "top_k", "top_p", "levels", "loop")


def sidecar_path(sound: Path) -> Path:
    """Return the place of the sidecar of a sound file: TAKE.json."""
    return sound.with_suffix(".json")


def _settings(request: GenerateRequest, anonymous: bool) -> dict[str, Any]:
    settings = {name: getattr(request, name) for name in _SETTINGS}
    if request.seconds is None and request.prompt is None:
        settings["seconds"] = request.usual_seconds
    if request.prompt is not None:
        settings |= {"prompt": "" if anonymous else file_name(request.prompt), "mode": request.mode.value}
    return settings


def sidecar_of(
    sound: Path,
    request: GenerateRequest,
    model: Path,
    form: SoundFormat,
    duration_s: float,
    gain: float,
    *,
    origin: Origin,
    codes: str,
    verdict: str = "",
    anonymous: bool = False,
) -> bytes:
    """Return the sidecar of a take's file; of the sounds that its prior learned from it has counts alone.

    `gain` is the file's; `codes` the digest of the take's codes; "" stands for what is unknown.
    """
    anonymous = anonymous or origin.is_anonymous
    sounds = {"count": origin.sounds.count, "seconds": origin.sounds.seconds, "held_out": origin.sounds.held_out}
    told = {
        "format": _FORMAT,
        "version": _VERSION,
        "file": file_name(sound),
        "model": {"name": model_name(model), "id": origin.model_id, "prior": origin.prior},
        "seed": request.seed,
        "settings": _settings(request, anonymous),
        "flags": settings_words(request, anonymous),
        "codes": codes,
        "verdict": verdict,
        "sound": {
            "format": form.container.value,
            "subtype": form.subtype.value,
            "sample_rate": form.sample_rate,
            "duration_s": duration_s,
            "gain": gain,
        },
        "learned_from": sounds if origin.sounds.count else None,
        "software": software(),
    }
    return (json.dumps(told, indent=1) + "\n").encode()


def _is_sidecar(path: Path) -> bool:
    with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
        told = json.loads(file.read(_LARGEST))
        return isinstance(told, dict) and told.get("format") == _FORMAT
    return False


def check_sidecar(sound: Path, *, replace: bool = False) -> None:
    """Check that the sidecar of a sound file can be written; it takes the place of another sidecar alone.

    Raises:
        ReadOnlyError: the folder cannot be written.
        SaveError: there is a file of its name and not `replace`, or one that is no sidecar.
    """
    path = sidecar_path(sound)
    if path.exists() and not (replace and _is_sidecar(path)):
        raise exists_error(path)
    check_new_file(path, replace=replace)


def write_sidecar(sound: Path, sidecar: bytes, *, replace: bool = False) -> Path:
    """Write the sidecar of a sound file in one step, and return its real path.

    Raises:
        ReadOnlyError, SaveError: as of `check_sidecar`, or there is no room.
    """
    check_sidecar(sound, replace=replace)
    return write_new_file(sidecar_path(sound), sidecar, replace=replace)
