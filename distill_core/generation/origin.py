"""The origin of a take: the model and the prior that made it, as far as tags and papers tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from distill_core.models.sounds_list import SoundsTotal, is_anonymous, learned_sounds, total_of
from distill_core.text import printable

if TYPE_CHECKING:
    from torch import Tensor

    from distill_core.models.persistence import LoadedVQModel

_LONGEST_ID = 64  # characters
_NO_SOUNDS = SoundsTotal()


@dataclass(frozen=True, slots=True)
class Origin:
    """The model and the prior behind a take, "" for what is unknown.

    `model_id` is the model file's, which its copies share; `prior` the digest of the prior's weights, which only the
    same prior has. `is_anonymous`: its sounds are named nowhere. `sounds` counts those that the prior learned from.
    """

    model_id: str = ""
    prior: str = ""
    is_anonymous: bool = False
    sounds: SoundsTotal = _NO_SOUNDS


def origin_of(loaded: LoadedVQModel) -> Origin:
    """Return the origin of the takes of a model; the digest takes a millisecond for a million weights."""
    from distill_core.models.codec import codec_digest

    found, facts = loaded.metadata.get("model_id"), loaded.prior_metadata
    return Origin(
        printable(found, _LONGEST_ID) if isinstance(found, str) else "",
        "" if loaded.prior is None else codec_digest(loaded.prior.state_dict()),
        loaded.vqvae_config.get("anonymous") is True or is_anonymous(facts, loaded.prior_config),
        total_of(learned_sounds(facts)),
    )


def codes_digest(codes_WHQ: Tensor) -> str:
    """Return the digest of a take's codes `[W, H, Q]`: only the same codes have it, on every machine."""
    digest = blake2b(repr(tuple(codes_WHQ.shape)).encode(), digest_size=16)
    digest.update(codes_WHQ.cpu().numpy().astype("<i4").tobytes())
    return digest.hexdigest()
