"""The VQ-VAE of format version 2: log-mel in, residual codes, log-mel out.

van den Oord et al. 2017, "Neural Discrete Representation Learning"; residual quantization as in Zeghidour et al. 2021,
"SoundStream".
"""

# TorchScript makes no types of `from __future__ import annotations`.
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.geometry import Geometry
from distill_core.audio.inversion import mel_inversion
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.files.tensor_facts import Shape
from distill_core.models.codec import Codec, SoundOfCodes, vectors_of
from distill_core.models.value_reader import MAX_NAME, ValueReader
from distill_core.models.vqvae.layers import MelDecoder, MelEncoder, Quantizer, weight_shapes

CONFIG_KEYS = (
    "codebook_dim",
    "codebook_size",
    "num_quantizers",
    "decay",
    "commitment_weight",
    "threshold_ema_dead_code",
    "dropout",
)
RANGES = {"codebook_dim": (1, 1024)}
_MEL_PER_POSITION = 16  # mel bands, and frames: the encoder halves both axes four times
_NEVER_NEGATIVE = (".running_var", ".cluster_size")
_BLOCK_S = 0.5  # of sound at once: with less, looking back and ahead costs more than a fifth
_CONTEXT_STEPS = 1  # the reach of the convolutions, back and ahead


def _positions(length: int) -> int:
    """Return the number of positions that the encoder makes of mel bands or frames."""
    return math.ceil(length / _MEL_PER_POSITION)


def _padding(length: int) -> int:
    return _positions(length) * _MEL_PER_POSITION - length


class _Sound(SoundOfCodes):
    """The sound of a VQ-VAE's codes; the last step of a block needs the next one."""

    _books_QKD: Tensor

    def __init__(self, codec: "ConvVQVAE", config: SpectrogramConfig) -> None:
        steps = math.ceil(_BLOCK_S * config.sample_rate / (_MEL_PER_POSITION * config.hop_length))
        super().__init__(mel_inversion(config), steps, 0, _CONTEXT_STEPS)
        self.decoder = codec.decoder
        self.register_buffer("_books_QKD", codec.quantizer.rvq.codebooks.detach())
        self._n_mels, self._step_frames = config.n_mels, _MEL_PER_POSITION

    def log_mel(self, codes_WHQ: Tensor, behind: int, steps: int) -> Tensor:
        """Return the log-mel `[1, n_mels, frames]` of `steps` steps, of which the first has `behind` before it."""
        codes_NQ = codes_WHQ.flatten(0, 1).to(self._books_QKD.device)
        embeddings_WHD = vectors_of(codes_NQ, self._books_QKD).unflatten(0, codes_WHQ.shape[:2])
        log_mel: Tensor = self.decoder(embeddings_WHD.permute(2, 1, 0)[None])
        return log_mel[:, 0, : self._n_mels, behind * self._step_frames : (behind + steps) * self._step_frames]


class ConvVQVAE(Codec):
    """The codec of the format, whose order of positions is band by band: all steps of the lowest band first.

    `spectrogram` makes the log-mels for `codes_of`; a model that was built by hand has none at first.
    """

    architecture = "v2"
    has_mel = True

    def __init__(
        self,
        codebook_dim: int = 128,
        codebook_size: int = 256,
        num_quantizers: int = 3,
        decay: float = 0.95,
        commitment_weight: float = 0.25,
        threshold_ema_dead_code: float = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.codebook_dim, self.codebook_size, self.num_quantizers = codebook_dim, codebook_size, num_quantizers
        self._quantizer_settings = (
            codebook_dim,
            codebook_size,
            num_quantizers,
            decay,
            commitment_weight,
            threshold_ema_dead_code,
        )
        self.encoder = MelEncoder(codebook_dim, dropout)
        self.quantizer = Quantizer(*self._quantizer_settings)
        self.decoder = MelDecoder(codebook_dim, dropout)

    @classmethod
    def geometry(cls, config: Mapping[str, Any], spectrogram: SpectrogramConfig) -> Geometry:
        """Return the geometry that follows from the spectrogram: a step is 16 frames, a band is 16 mel bands."""
        hop = spectrogram.hop_length
        edge_frames = math.ceil(spectrogram.n_fft / 2 / hop)  # whose FFT window reaches beyond a piece's end
        return Geometry(
            sample_rate=spectrogram.sample_rate,
            step_samples=_MEL_PER_POSITION * hop,
            chunk_steps=_positions(spectrogram.chunk_frames),
            bands=_positions(spectrogram.n_mels),
            levels=config["num_quantizers"],
            look_back_steps=_CONTEXT_STEPS + _positions(edge_frames),
            look_ahead_samples=edge_frames * hop,
        )

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader) -> None:
        """Check this codec's own settings.

        Raises:
            ModelFileError: an impossible setting.
        """
        reader.integers(config, RANGES)
        reader.number(config, "decay", 0.0, 1.0)
        reader.number(config, "commitment_weight", 0.0, 1e6)
        reader.number(config, "threshold_ema_dead_code", 0.0, 1e9)
        reader.number(config, "dropout", 0.0, 0.999)

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Check that the codebooks were trained and that no variance or count is negative.

        Raises:
            ModelFileError: a number that training cannot have left.
        """
        if not all(bool(tensor) for key, tensor in state.items() if key.endswith("._codebook.initted")):
            raise reader.refuse("its codebooks were never trained")
        for key, tensor in state.items():
            if key.endswith(_NEVER_NEGATIVE) and tensor.numel() and bool(tensor.min() < 0):
                raise reader.refuse(f"“{key[:MAX_NAME]}” holds values below zero")

    @classmethod
    def shapes(cls, config: Mapping[str, Any]) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `vqvae_config`, without building a network."""
        return weight_shapes(config)

    @classmethod
    def on_meta(cls, config: Mapping[str, Any]) -> Self:
        """Build the model without memory for its weights, from a file's `vqvae_config`; ignore further keys."""
        with torch.device("meta"):
            return cls(**{key: config[key] for key in CONFIG_KEYS})

    @classmethod
    def from_state(cls, config: Mapping[str, Any], spectrogram: AudioSpectrogram, state: Mapping[str, Tensor]) -> Self:
        """Build the model with given weights, in eval mode, without drawing from the global random generator."""
        model = cls.on_meta(config)
        model.encoder.to_empty(device="cpu")
        model.decoder.to_empty(device="cpu")
        # Its buffers outside the state dict need memory; with k-means initialisation it draws no random number yet.
        model.quantizer = Quantizer(*model._quantizer_settings)
        model.load_state_dict(state)
        model.spectrogram = spectrogram
        return model.eval()

    def encode(self, mel: Tensor) -> Tensor:
        """Return latents `[B, D, H, W]` for log-mels `[B, 1, n_mels, frames]`, zero-padded to multiples of 16."""
        n_mels, frames = mel.shape[-2:]
        latents: Tensor = self.encoder(functional.pad(mel, (0, _padding(frames), 0, _padding(n_mels))))
        return latents

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return embeddings `[B, D, H, W]`, indices `[B, H·W, Q]` and the commitment loss (scalar)."""
        positions_BSD = latents.flatten(2).transpose(1, 2)
        quantized_BSD, indices_BSQ, commit_loss = self.quantizer(positions_BSD)
        return quantized_BSD.transpose(1, 2).reshape(latents.shape), indices_BSQ, commit_loss

    def codes_to_embeddings(self, indices_BSQ: Tensor, bands: int = 8) -> Tensor:
        """Return embeddings `[B, D, bands, W]` for indices `[B, bands·W, Q]`."""
        embeddings_BSD = self.quantizer.embeddings(indices_BSQ)
        batch, positions, dim = embeddings_BSD.shape
        return embeddings_BSD.transpose(1, 2).reshape(batch, dim, bands, positions // bands)

    def decode(self, embeddings: Tensor, n_mels: int | None = None, frames: int | None = None) -> Tensor:
        """Return log-mels `[B, 1, n_mels, frames]`, cropped to that size, for embeddings `[B, D, H, W]`."""
        mel: Tensor = self.decoder(embeddings)
        return mel[..., :n_mels, :frames]

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction `[B, 1, n_mels, frames]`, indices `[B, H·W, Q]`, commitment loss (scalar)."""
        embeddings, indices, commit_loss = self.quantize(self.encode(mel))
        return self.decode(embeddings, *mel.shape[-2:]), indices, commit_loss

    @torch.no_grad()
    def codes_of(self, waveforms_BT: Tensor, skipped: int = 0, steps: int | None = None) -> Tensor:
        """Return the codes `[B, W, H, Q]` of waveforms; see `Codec.codes_of`.

        Raises:
            ValueError: the model was built by hand and has no spectrogram.
        """
        mel = self.own_spectrogram().log_mel(waveforms_BT.to(self.device))
        before = min(skipped, _CONTEXT_STEPS)
        end = None if steps is None else (skipped + steps) * _MEL_PER_POSITION
        latents = self.encode(mel[..., (skipped - before) * _MEL_PER_POSITION : end])[..., before:]
        _, indices_BSQ, _ = self.quantize(latents)
        codes_BHWQ: Tensor = indices_BSQ.unflatten(1, (latents.shape[2], -1))
        return codes_BHWQ.transpose(1, 2)

    @torch.no_grad()
    def audio_of(self, codes: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the sound of codes in blocks of about half a second; see `Codec.audio_of`.

        Raises:
            ValueError: the model was built by hand and has no spectrogram.
        """
        sound = self.sound_of_codes()
        for waveforms_1T in sound.inversion.blocks_of(self._log_mels_of(codes, sound)):
            yield waveforms_1T[0]

    @torch.no_grad()
    def log_mel_of(self, codes_WHQ: Tensor) -> Tensor:
        """Return the log-mel `[frames, n_mels]` of codes; see `Codec.log_mel_of`.

        Raises:
            ValueError: the model was built by hand and has no spectrogram.
        """
        return torch.cat([*self._log_mels_of([codes_WHQ], self.sound_of_codes())], 2)[0].T.cpu()

    def sound_of_codes(self) -> SoundOfCodes:
        """Return what TorchScript can compile of `audio_of`.

        Raises:
            ValueError: the model was built by hand and has no spectrogram.
        """
        return _Sound(self, self.own_spectrogram().config)

    def _log_mels_of(self, codes: Iterable[Tensor], sound: SoundOfCodes) -> Iterator[Tensor]:
        """Yield the log-mels `[1, n_mels, frames]` of codes, in blocks that do not depend on theirs."""
        waiting: list[Tensor] = []
        steps = sound.block_steps
        for block_WHQ in codes:
            waiting.append(block_WHQ)
            while sum(map(len, waiting)) >= steps + sound.ahead_steps:
                codes_WHQ = torch.cat(waiting)
                yield sound.log_mel(codes_WHQ[: steps + sound.ahead_steps], 0, steps)
                waiting = [codes_WHQ[steps:]]
        if total := sum(map(len, waiting)):
            yield sound.log_mel(torch.cat(waiting), 0, total)
