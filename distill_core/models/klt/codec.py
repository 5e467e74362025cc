"""A codec for minutes of sound: patches of a floored log-mel, in principal components, by residual codebooks.

The Karhunen–Loève transform (KLT) turns a patch – some frames by some mel bands – into few numbers, those in which the
sounds differ most. All bands share one transform and one codebook a level, so a second of sound gives many examples of
each entry. Neither has a mean: a patch of silence is the zero vector, which is entry 0 of every level, and comes out as
silence. A small network refines what the codes say.
"""

# TorchScript makes no types of `from __future__ import annotations`.
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.audio.inversion import mel_inversion
from distill_core.audio.limiter import Limiter
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.files.tensor_facts import Shape
from distill_core.models.codec import Codec, SoundOfCodes, vectors_of
from distill_core.models.klt import refiner, search
from distill_core.models.klt.patches import (
    is_heard,
    log_mel_of,
    loudness_of,
    loudness_of_patches,
    patches_of,
    within_full_scale,
)
from distill_core.models.klt.refiner import CELL, Refiner
from distill_core.models.value_reader import ValueReader

RANGES = {
    "step_frames": (CELL, 256),
    "band_mels": (16, 512),  # 32 bands at most, as many as a prior can have
    "components": (1, 1024),
    "refiner_width": (1, 1024),
    "refiner_depth": (0, 64),
}
MAX_RATE_WEIGHT = 1e6
_BLOCK_S = 0.5  # of sound at once: with less, looking back and ahead costs more than a fifth


class _Sound(SoundOfCodes):
    """The sound of a KLT codec's codes; none of it is above full scale."""

    def __init__(self, codec: "KLTCodec", config: SpectrogramConfig) -> None:
        steps = math.ceil(_BLOCK_S * config.sample_rate / (codec.step_frames * config.hop_length))
        super().__init__(mel_inversion(config), steps, codec.context_steps, codec.context_steps)
        self.codec, self.limiter = codec, Limiter(config.sample_rate)
        self._n_mels, self._n_fft, self._power = config.n_mels, config.n_fft, float(config.power)

    def log_mel(self, codes_WHQ: Tensor, behind: int, steps: int) -> Tensor:
        """Return the log-mel `[1, n_mels, frames]` of `steps` steps, of which the first has `behind` before it."""
        loudness_1FM = self.codec.loudness_of_steps(codes_WHQ, behind, steps)[..., : self._n_mels]
        return within_full_scale(log_mel_of(loudness_1FM), self._n_fft, self._power).transpose(1, 2)

    def finished(self, waveform_T: Tensor) -> Tensor:
        """Return a whole sound, limited."""
        return self.limiter.whole(waveform_T)


class KLTCodec(Codec):
    """The KLT codec; `spectrogram` makes the log-mels for `codes_of`.

    `basis_DC` has orthonormal columns; `books_QKC` has the entries of each level, the first of which is zero;
    `bits_QK` has the bits of each entry by how often the training sounds use it.
    """

    architecture: ClassVar[str] = "klt"
    has_mel: ClassVar[bool] = True
    basis_DC: Tensor
    books_QKC: Tensor
    bits_QK: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.codebook_size, self.num_quantizers = config["codebook_size"], config["num_quantizers"]
        self.step_frames, self.band_mels = config["step_frames"], config["band_mels"]
        self.rate_weight = config["rate_weight"]
        for key, (shape, dtype) in _buffer_shapes(config).items():
            self.register_buffer(key, torch.zeros(shape, dtype=dtype))
        self.refiner = Refiner(config["refiner_width"], config["refiner_depth"], self.step_frames, self.band_mels)
        self.context_steps = math.ceil(refiner.reach_frames(config["refiner_depth"]) / self.step_frames)

    @classmethod
    def geometry(cls, config: Mapping[str, Any], spectrogram: SpectrogramConfig) -> Geometry:
        """Return the geometry: a step is `step_frames` frames, a band `band_mels` mel bands.

        Before training has chosen `band_mels`, which is 0 then, there are no bands.
        """
        hop, frames = spectrogram.hop_length, config["step_frames"]
        edge_frames = math.ceil(spectrogram.n_fft / 2 / hop)  # whose FFT window reaches beyond a piece's end
        return Geometry(
            sample_rate=spectrogram.sample_rate,
            step_samples=frames * hop,
            chunk_steps=math.ceil(spectrogram.chunk_frames / frames),
            bands=math.ceil(spectrogram.n_mels / config["band_mels"]) if config["band_mels"] else 0,
            levels=config["num_quantizers"],
            look_back_steps=math.ceil(edge_frames / frames),
            look_ahead_samples=edge_frames * hop,
        )

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader) -> None:
        """Check this codec's own settings.

        Raises:
            ModelFileError: an impossible setting.
        """
        reader.integers(config, RANGES)
        reader.number(config, "rate_weight", 0.0, MAX_RATE_WEIGHT)
        if config["step_frames"] % CELL or config["band_mels"] % CELL:
            raise reader.refuse(f"its step_frames or its band_mels is no multiple of {CELL}")

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Check that silence is the first entry of each level, and that no code has less than zero bits.

        Raises:
            ModelFileError: a number that training cannot have left.
        """
        if bool(state["books_QKC"][:, 0].any()):
            raise reader.refuse("the first entry of a codebook is not silence")
        if bool((state["bits_QK"] < 0).any()):
            raise reader.refuse("a code has less than zero bits")

    @classmethod
    def shapes(cls, config: Mapping[str, Any]) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `vqvae_config`, without building a network."""
        sizes = (config["refiner_width"], config["refiner_depth"], config["step_frames"], config["band_mels"])
        return _buffer_shapes(config) | {f"refiner.{key}": shape for key, shape in refiner.shapes(*sizes).items()}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], spectrogram: AudioSpectrogram, state: Mapping[str, Tensor]) -> Self:
        """Build the codec with given weights, in eval mode, without drawing from the global random generator."""
        with torch.device("meta"):
            codec = cls(config)
        codec.load_state_dict(state, assign=True)
        codec.spectrogram = spectrogram
        return codec.eval()

    # Between patches, codes and loudness

    def encode(self, loudness_BFM: Tensor) -> Tensor:
        """Return the codes `[B, W, H, Q]` of loudness; those of silence are 0."""
        patches_BWHD = patches_of(loudness_BFM, self.step_frames, self.band_mels)
        vectors_NC = (patches_BWHD @ self.basis_DC).flatten(0, 2)
        codes_NQ = search.codes_of(vectors_NC, self.books_QKC, self.rate_weight * self.bits_QK)
        # A soft sound that is frequent would have fewer bits than silence that is rare.
        codes_NQ *= is_heard(patches_BWHD).flatten()[:, None]
        codes_BWHQ: Tensor = codes_NQ.unflatten(0, patches_BWHD.shape[:3])
        return codes_BWHQ

    def decode(self, codes_BWHQ: Tensor) -> Tensor:
        """Return the loudness `[B, F, M]` of codes before it is refined; `M` is that of whole bands."""
        vectors_NC = vectors_of(codes_BWHQ.flatten(0, 2), self.books_QKC)
        patches_BWHD = (vectors_NC @ self.basis_DC.T).unflatten(0, codes_BWHQ.shape[:3])
        return loudness_of_patches(patches_BWHD, self.step_frames).clamp_(min=0)

    # Its doors

    @torch.no_grad()
    def codes_of(self, waveforms_BT: Tensor, skipped: int = 0, steps: int | None = None) -> Tensor:
        """Return the codes `[B, W, H, Q]` of waveforms; see `Codec.codes_of`."""
        log_mel = self.own_spectrogram().log_mel(waveforms_BT.to(self.device))[:, 0].transpose(1, 2)
        end = None if steps is None else (skipped + steps) * self.step_frames
        return self.encode(loudness_of(log_mel[:, skipped * self.step_frames : end]))

    @torch.no_grad()
    def audio_of(self, codes: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the sound of codes in blocks of about half a second, none above full scale; see `Codec.audio_of`."""
        sound = self.sound_of_codes()
        waveforms = sound.inversion.blocks_of(self._log_mels_of(codes, sound))
        yield from sound.limiter.blocks_of(waveforms_1T[0] for waveforms_1T in waveforms)

    @torch.no_grad()
    def log_mel_of(self, codes_WHQ: Tensor) -> Tensor:
        """Return the log-mel `[frames, n_mels]` of codes; see `Codec.log_mel_of`."""
        return torch.cat([*self._log_mels_of([codes_WHQ], self.sound_of_codes())], 2)[0].T.cpu()

    def sound_of_codes(self) -> _Sound:
        """Return what TorchScript can compile of `audio_of`."""
        return _Sound(self, self.own_spectrogram().config)

    def loudness_of_steps(self, codes_WHQ: Tensor, behind: int, steps: int) -> Tensor:
        """Return the refined loudness `[1, F, M]` of `steps` steps, of which the first has `behind` before it."""
        refined_1FM: Tensor = self.refiner(self.decode(codes_WHQ[None].to(self.basis_DC.device)))
        return refined_1FM[:, behind * self.step_frames : (behind + steps) * self.step_frames]

    def _log_mels_of(self, codes: Iterable[Tensor], sound: SoundOfCodes) -> Iterator[Tensor]:
        """Yield the log-mels `[1, n_mels, frames]` of codes, in blocks that do not depend on theirs."""
        context, steps = sound.back_steps, sound.block_steps
        waiting_WHQ, behind = None, 0
        for block_WHQ in codes:
            waiting_WHQ = block_WHQ if waiting_WHQ is None else torch.cat([waiting_WHQ, block_WHQ])
            while len(waiting_WHQ) >= behind + steps + context:
                yield sound.log_mel(waiting_WHQ[: behind + steps + context], behind, steps)
                begin = max(0, behind + steps - context)
                waiting_WHQ, behind = waiting_WHQ[begin:], behind + steps - begin
        if waiting_WHQ is not None and len(waiting_WHQ) > behind:
            yield sound.log_mel(waiting_WHQ, behind, len(waiting_WHQ) - behind)


def _buffer_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    levels, size, components = config["num_quantizers"], config["codebook_size"], config["components"]
    shapes: dict[str, tuple[int, ...]] = {
        "basis_DC": (config["step_frames"] * config["band_mels"], components),
        "books_QKC": (levels, size, components),
        "bits_QK": (levels, size),
    }
    return {key: (shape, torch.float32) for key, shape in shapes.items()}
