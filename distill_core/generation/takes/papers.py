"""The papers of a take, in its comment: flags that make it again, then who made it as JSON. Read back, a stranger's.

`--seconds 5 … --seed 41 # {"distill": 1, "model": …}`: to a shell, what follows the flags is a remark. libsndfile reads
no tag of a WAV file that has 2,048 bytes or more: flags have at most 1,000 characters, few of which are not ASCII, and
the JSON, in ASCII, has some 300.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill_core.errors import ConfigError
from distill_core.generation.origin import Origin
from distill_core.generation.request import GenerateRequest
from distill_core.generation.settings import is_whole
from distill_core.text import printable

VERSION = 1
LONGEST_SETTINGS = 1000  # characters
_REMARK = " # "
_LONGEST_COMMENT, _LONGEST_TEXT = 4000, 64
_UNKNOWN = Origin()


@dataclass(frozen=True, slots=True)
class TakePapers:
    """The words of a file on its take, "" for those that it leaves out.

    `settings` are flags of `distill generate`, `model_id` and `prior` as in `Origin`, `codes` is the digest of its
    codes. `version` is larger than `VERSION` for papers of a newer Distill.
    """

    settings: str
    model_id: str = ""
    prior: str = ""
    codes: str = ""
    verdict: str = ""
    version: int = VERSION


def papers_of(settings: str, seed: int, origin: Origin = _UNKNOWN, codes: str = "", verdict: str = "") -> str:
    """Return a take's comment: its settings, then its papers; what is unknown is left out."""
    known = {"model": origin.model_id, "prior": origin.prior, "codes": codes, "verdict": verdict}
    told: dict[str, Any] = {"distill": VERSION, "seed": seed, **{name: text for name, text in known.items() if text}}
    return f"{printable(settings, LONGEST_SETTINGS)}{_REMARK}{json.dumps(told)}"


def _remarks(comment: str) -> Iterator[tuple[str, str]]:
    """Yield each way to part a comment: the name of a sound may have the mark of a remark in it."""
    place = comment.find(_REMARK)
    while place >= 0:
        yield comment[:place], comment[place + len(_REMARK) :]
        place = comment.find(_REMARK, place + 1)


def _object(text: str) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_papers(comment: str) -> TakePapers | None:
    """Return the papers in a comment, None if there are none; their texts are short and printable."""
    if len(comment) > _LONGEST_COMMENT:
        return None
    for settings, text in _remarks(comment):
        told = _object(text)
        version = told.get("distill")
        if isinstance(version, int) and is_whole(version, 1):
            known = {name: told.get(name) for name in ("model", "prior", "codes", "verdict")}
            texts = {name: printable(value, _LONGEST_TEXT) for name, value in known.items() if isinstance(value, str)}
            return TakePapers(settings, texts.pop("model", ""), version=version, **texts)
    return None


def _factors(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--seconds": ("seconds", float),
    "--temperature": ("temperature", float),
    "--level-temperatures": ("level_temperatures", _factors),
    "--top-k": ("top_k", int),
    "--top-p": ("top_p", float),
    "--levels": ("levels", int),
    "--seed": ("seed", int),
    "--prompt": ("prompt", Path),
    "--mode": ("mode", str),
}
_SWITCHES = {"--until-end": "until_end", "--loop": "loop"}


def request_of(settings: str) -> GenerateRequest | None:
    """Return the request of flags as `settings_words` writes them, None for others; its prompt is a name alone."""
    try:
        words, known = iter(shlex.split(settings)), dict[str, Any]()
        for word in words:
            if word in _SWITCHES:
                known[_SWITCHES[word]] = True
            else:
                name, read = _VALUES[word]
                known[name] = read(next(words))
        return GenerateRequest(**known) if "seed" in known else None
    except (ValueError, KeyError, StopIteration, OverflowError, ConfigError):
        return None


def with_prompt(request: GenerateRequest, prompt: Path | None) -> GenerateRequest:
    """Return a take's request with the sound that it starts from, of which tags have the name alone.

    Raises:
        ConfigError: it starts from a sound, and none is given.
    """
    if request.prompt is None:
        return request
    if prompt is None:
        text = "This take starts from a sound, of which it has no more than the name."
        raise ConfigError("prompt", text, "Name the sound: --prompt FILE.")
    return replace(request, prompt=prompt)
