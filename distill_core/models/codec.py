"""The contract of a codec: all that the file, training, the cache and generation ask of one.

A codec is one file or folder that implements it, and one row of `CODECS`. Its two doors are `codes_of` and `audio_of`;
spectrogram, look-back and inversion are its own business. Codes come time first, `[W, H, Q]`.

The letters at the end of a tensor's name are its axes, everywhere in the engine:

    W  steps of time: a codec makes one column of codes of each
    H  bands of a step, low frequencies first; inside attention, its heads
    Q  levels of quantization of a band, coarse ones first
    P  positions of a sequence: a position is one band of one step, with Q codes
    S  positions of a chunk in the format's order: all steps of the lowest band first, S = H · W
    N  sounds, or chunks: one second of a sound by itself
    B  a batch
    T  samples of a waveform, or the codes of a sequence one after another
    K  entries of a codebook, and so the choices of a code
    C  channels: of a sound, or the width of a network; in a step, all of its codes
    D  numbers that describe one position, or the width of an attention head
    F  mel bands or frequencies of a spectrogram

A digit stands for an axis of that length: `codes_1WHQ`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from distill_core.audio.inversion import MelInversion
from distill_core.audio.spectrogram import SpectrogramConfig

if TYPE_CHECKING:
    from typing import Self

    from distill_core.audio.geometry import Geometry
    from distill_core.audio.spectrogram import AudioSpectrogram
    from distill_core.files.tensor_facts import Shape
    from distill_core.models.value_reader import ValueReader


def vectors_of(codes_NQ: Tensor, books_QKC: Tensor) -> Tensor:
    """Return the vectors `[N, C]` of codes, the sums of their entries; they may have fewer levels than the books."""
    levels_Q = torch.arange(codes_NQ.shape[1], device=codes_NQ.device)
    return books_QKC[levels_Q[:, None], codes_NQ.T].sum(0)


class SoundOfCodes(nn.Module):
    """The sound of a codec's codes in functions that TorchScript can compile; together they are its `audio_of`.

    `log_mel` makes blocks of `block_steps` steps, given `back_steps` before and `ahead_steps` after them; `inversion`
    makes a waveform of these.
    """

    def __init__(self, inversion: MelInversion, block_steps: int, back_steps: int, ahead_steps: int) -> None:
        super().__init__()
        self.inversion = inversion
        self.block_steps, self.back_steps, self.ahead_steps = block_steps, back_steps, ahead_steps

    def log_mel(self, codes_WHQ: Tensor, behind: int, steps: int) -> Tensor:
        """Return the log-mel `[1, n_mels, frames]` of `steps` steps, of which the first has `behind` before it."""
        raise NotImplementedError

    def finished(self, waveform_T: Tensor) -> Tensor:
        """Return a whole sound as it is heard, from its inverted log-mels."""
        return waveform_T


class Codec(nn.Module, ABC):
    """A codec: sound to codes and codes to sound.

    `architecture` is its name in a file's `vqvae_config`, where that of the VQ-VAE is left out. The settings of every
    codec have `codebook_size` and `num_quantizers`; further ones are its own. `spectrogram` holds the file's settings
    of sound, and makes log-mels for a codec that uses them (`has_mel`); it is no part of the weights.
    """

    __jit_unused_properties__ = ("device",)  # TorchScript compiles all others
    architecture: ClassVar[str]
    has_mel: ClassVar[bool] = False
    codebook_size: int
    num_quantizers: int
    spectrogram: AudioSpectrogram | None = None

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(chain(self.parameters(), self.buffers())).device

    # Its settings and weights in a file

    @classmethod
    def spectrogram_config(cls) -> SpectrogramConfig:
        """Return the settings of sound that a new codec is trained with."""
        return SpectrogramConfig()

    @classmethod
    @abstractmethod
    def geometry(cls, config: Mapping[str, Any], spectrogram: SpectrogramConfig) -> Geometry:
        """Return the codec's division of sound, from settings that passed `check_config`."""

    @classmethod
    @abstractmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader) -> None:
        """Check the codec's own settings in a file; `codebook_size` and `num_quantizers` are checked before.

        Raises:
            ModelFileError: an impossible setting.
        """

    @classmethod
    @abstractmethod
    def shapes(cls, config: Mapping[str, Any]) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `vqvae_config`, without building a network."""

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Check the weights, which are finite.

        Raises:
            ModelFileError: a number that training cannot have left.
        """

    @classmethod
    @abstractmethod
    def from_state(cls, config: Mapping[str, Any], spectrogram: AudioSpectrogram, state: Mapping[str, Tensor]) -> Self:
        """Build the codec with given weights, in eval mode, without drawing from the global random generator."""

    # Its doors

    @abstractmethod
    def codes_of(self, waveforms_BT: Tensor, skipped: int = 0, steps: int | None = None) -> Tensor:
        """Return the codes `[B, W, H, Q]` (int64, codec's device) of waveforms (any device) at the geometry's rate.

        The first `skipped` steps of the waveforms belong to an earlier piece of the sound; the codes are those of the
        next `steps` steps, of all to the end for None. The codec is in eval mode.
        """

    @abstractmethod
    def audio_of(self, codes: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the sound of codes as blocks `[T]` (float32, on the CPU) at the geometry's rate.

        The codes of the sound come in blocks `[W, H, Q]` of any length; sound is yielded as soon as the codes allow.
        They may have fewer levels than the codec: without the fine ones, the coarse skeleton sounds alone.
        Together, its blocks have `step_samples` samples for each step. The same codes give the same sound, whatever
        their blocks, and the global random generator is not used.
        """

    def sound_of_codes(self) -> SoundOfCodes | None:
        """Return what TorchScript can compile of `audio_of`; None for a codec of which it can compile nothing."""
        return None

    @torch.no_grad()
    def log_mel_of(self, codes_WHQ: Tensor) -> Tensor:
        """Return the log-mel `[frames, n_mels]` (on the CPU) of the sound of codes, by the settings of `spectrogram`.

        A codec that makes log-mels has them before they are sound.

        Raises:
            ValueError: the codec was built by hand and has no spectrogram.
        """
        waveform_T = torch.cat([*self.audio_of([codes_WHQ])])
        return self.own_spectrogram().log_mel(waveform_T[None].to(self.device))[0, 0].T.cpu()

    def own_spectrogram(self) -> AudioSpectrogram:
        """Return the spectrogram, on the device of the weights.

        Raises:
            ValueError: the codec was built by hand and given none.
        """
        if self.spectrogram is None:
            raise ValueError(f"a {type(self).__name__} needs its `spectrogram` before sound can go in or come out")
        return self.spectrogram.to(self.device)


def codec_digest(state: Mapping[str, Tensor]) -> str:
    """Return the digest of a codec's weights, codebooks included: only the same codec understands its codes."""
    digest = blake2b(digest_size=16)
    for key, value in sorted(state.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
