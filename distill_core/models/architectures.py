"""The tables of prior architectures and codecs, by the names in files; a network is imported on first use.

This module imports no torch: settings and the window need the names at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distill_core.errors import ConfigError

if TYPE_CHECKING:
    from distill_core.models.codec import Codec
    from distill_core.models.prior import Prior

NAMELESS = "flat"  # the architecture of a file's prior that names none
NAMELESS_CODEC = "v2"  # the codec of the format, which its files do not name


@dataclass(frozen=True, slots=True)
class PriorRow:
    """A prior architecture: its class, imported late, and the facts that settings need before that.

    `is_transformer`: it has a width, layers and heads, which the settings of the same names are.
    `follows_files`: sizes follow from the number of files, as in the ancestor, and not from the number of codes.
    `needs_even_heads`: the width of a head has to be even.
    `knows_seconds`: it learns seconds, each by itself, so it goes on from no sound.
    """

    load: Callable[[], type[Prior]]
    is_transformer: bool = True
    follows_files: bool = False
    needs_even_heads: bool = False
    knows_seconds: bool = False


def _frames() -> type[Prior]:
    from distill_core.models.frames import FramesPrior

    return FramesPrior


def _flat() -> type[Prior]:
    from distill_core.models.flat import CodePrior

    return CodePrior


PRIORS: dict[str, PriorRow] = {
    "frames": PriorRow(_frames, needs_even_heads=True),
    "flat": PriorRow(_flat, follows_files=True, knows_seconds=True),
}
# Names in files, and their rows: an older Distill, which knows none of them, says that a newer one made the prior.
_OTHER_NAMES = {"frames-end": "frames"}


def architecture_of(prior_config: Mapping[str, Any]) -> str:
    """Return the name of a file's prior architecture, the format's own if its settings name none."""
    name = str(prior_config.get("architecture", NAMELESS))
    return _OTHER_NAMES.get(name, name)


def prior_row(architecture: object) -> PriorRow:
    """Return the row of a prior architecture.

    Raises:
        ConfigError: there is none of that name.
    """
    if not isinstance(architecture, str) or architecture not in PRIORS:
        raise ConfigError(
            "architecture", f"architecture cannot be {architecture!r}.", f"It must be one of {', '.join(PRIORS)}."
        )
    return PRIORS[architecture]


@dataclass(frozen=True, slots=True)
class CodecRow:
    """A codec: its class, imported late, what it is in a few words, and what imports the library that it is built from.

    A codec that is built from torch alone has no `library`.
    """

    load: Callable[[], type[Codec]]
    words: str = ""
    library: Callable[[], object] | None = None


def _conv_vqvae() -> type[Codec]:
    from distill_core.models.vqvae import ConvVQVAE

    return ConvVQVAE


def _residual_vq() -> object:
    from distill_core.models.vqvae.layers import residual_vq

    return residual_vq()


def _klt() -> type[Codec]:
    from distill_core.models.klt import KLTCodec

    return KLTCodec


CODECS: dict[str, CodecRow] = {
    NAMELESS_CODEC: CodecRow(_conv_vqvae, "a VQ-VAE, which an older Distill opens too", _residual_vq),
    "klt": CodecRow(_klt, "patches of the spectrum in principal components"),
}


def codec_name(vqvae_config: Mapping[str, Any]) -> str:
    """Return the name of a file's codec, the format's own if its settings name none."""
    return vqvae_config.get("architecture") or NAMELESS_CODEC


def codec_words(vqvae_config: Mapping[str, Any]) -> str:
    """Return the name of a file's codec, and what it is."""
    name = codec_name(vqvae_config)
    return f"{name}, {words}" if (words := CODECS[name].words) else name


def naming_codec(vqvae_config: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """Return a codec's settings as a file holds them, with its name, or without one if it is the format's own."""
    name = {} if architecture == NAMELESS_CODEC else {"architecture": architecture}
    return {**vqvae_config, **name}


def codec_of(vqvae_config: Mapping[str, Any]) -> type[Codec]:
    """Return the class of a file's codec."""
    return CODECS[codec_name(vqvae_config)].load()


def library_of(vqvae_config: Mapping[str, Any]) -> Callable[[], object] | None:
    """Return what imports the library of a file's codec, which takes a second of a processor; None if it has none."""
    return CODECS[codec_name(vqvae_config)].library


def import_networks() -> None:
    """Import all networks ahead of the first file that needs one; the library of a codec is imported for its files."""
    for prior in PRIORS.values():
        prior.load()
    for codec in CODECS.values():
        codec.load()
