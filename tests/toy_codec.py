"""A toy second codec: how loud each band of each step is, and sines as loud as that; no log-mel and no network.

It is fitted in closed form, in the only epoch of its training: its books are quantiles. All about it is another than of
the VQ-VAE: bands, steps a second, levels and look-back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.geometry import Geometry
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop, ignore, never, stop_point
from distill_core.files.tensor_facts import Shape
from distill_core.models.architectures import CODECS, CodecRow
from distill_core.models.codec import Codec
from distill_core.models.value_reader import ValueReader
from distill_core.training.codec.learner import CodecLearner, Validation
from distill_core.training.codec.settings import CodecSettings, SoundAmount
from distill_core.training.codec.trainings import TRAININGS, CodecTraining
from distill_core.training.data.chunks import VariantBatches
from distill_core.training.settings import check_setting, is_whole, setting, shared_setting

NAME = "toy"
CONFIG: dict[str, Any] = {"codebook_size": 16, "num_quantizers": 2, "bands": 2, "step_samples": 2400}


@dataclass(frozen=True, slots=True)
class ToyConfig(CodecSettings):
    """The settings of the toy's training."""

    codebook_size: int = setting(16, "Codes in each level's codebook.")
    num_quantizers: int = setting(2, "Levels.")
    bands: int = setting(2, "Bands of a step.")
    step_samples: int = setting(2400, "Samples of a step.")
    val_fraction: float = setting(0.2, "Share of the sounds kept aside to measure the error on.")
    device: str = shared_setting("device", "auto")
    seed: int = setting(0, "Same seed, same machine: the same model.")
    anonymous: bool = shared_setting("anonymous", False)

    def __post_init__(self) -> None:
        self.check_shared()
        for name, most in (("codebook_size", 4096), ("num_quantizers", 32), ("bands", 8)):
            value = getattr(self, name)
            check_setting(self, name, is_whole(value) and 1 <= value <= most, f"a whole number from 1 to {most}")


def toy_config_for(amount: SoundAmount, **overrides: Any) -> ToyConfig:
    """Return the settings for an amount of sound: twice as long steps for more than a minute."""
    return ToyConfig(**{"step_samples": 2400 if amount.seconds <= 60 else 4800, **overrides})


_QUIETEST = 1e-8


def _nearest(values_NWH: Tensor, book_HK: Tensor) -> Tensor:
    return (values_NWH[..., None] - book_HK).abs().argmin(-1)


def _entries(codes_NWH: Tensor, book_HK: Tensor) -> Tensor:
    return book_HK[torch.arange(len(book_HK)), codes_NWH]


class ToyCodec(Codec):
    """Books of loudness in log power, `[levels, bands, codebook_size]`, each in rising order."""

    architecture: ClassVar[str] = NAME
    books_QHK: Tensor

    def __init__(self, config: Mapping[str, Any], spectrogram: AudioSpectrogram, books_QHK: Tensor) -> None:
        super().__init__()
        self.codebook_size, self.num_quantizers = config["codebook_size"], config["num_quantizers"]
        self.spectrogram, self._geometry = spectrogram, self.geometry(config, spectrogram.config)
        self.register_buffer("books_QHK", books_QHK)

    @classmethod
    def geometry(cls, config: Mapping[str, Any], spectrogram: SpectrogramConfig) -> Geometry:
        return Geometry(
            sample_rate=spectrogram.sample_rate,
            step_samples=config["step_samples"],
            chunk_steps=math.ceil(spectrogram.sample_rate / config["step_samples"]),
            bands=config["bands"],
            levels=config["num_quantizers"],
            look_back_steps=1,
            look_ahead_samples=0,
        )

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader) -> None:
        reader.integers(config, {"bands": (1, 8), "step_samples": (100, 8000)})

    @classmethod
    def shapes(cls, config: Mapping[str, Any]) -> dict[str, Shape]:
        return {"books_QHK": ((config["num_quantizers"], config["bands"], config["codebook_size"]), torch.float32)}

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        if bool((state["books_QHK"].diff() < 0).any()):
            raise reader.refuse("its books are not in order")

    @classmethod
    def from_state(
        cls, config: Mapping[str, Any], spectrogram: AudioSpectrogram, state: Mapping[str, Tensor]
    ) -> ToyCodec:
        return cls(config, spectrogram, state["books_QHK"]).eval()

    @classmethod
    def without_books(cls, config: Mapping[str, Any], spectrogram: AudioSpectrogram) -> ToyCodec:
        """Return the codec before its fit."""
        shape, _ = cls.shapes(config)["books_QHK"]
        return cls(config, spectrogram, torch.zeros(shape)).eval()

    def fit(self, chunks_NT: Tensor, on_event: OnEvent = ignore, should_stop: ShouldStop = never) -> ToyCodec:
        """Fit the books to chunks: a level's are quantiles of the remainder that the levels before it leave."""
        left_NWH = self.loudness(chunks_NT)
        places_K = (torch.arange(self.codebook_size) + 0.5) / self.codebook_size
        for level, book_HK in enumerate(self.books_QHK):
            stop_point(should_stop)
            book_HK.copy_(left_NWH.flatten(0, 1).quantile(places_K, dim=0).T)
            left_NWH = left_NWH - _entries(_nearest(left_NWH, book_HK), book_HK)
            on_event(JobProgress(Phase.FIT, level + 1, self.num_quantizers))
        return self

    def loudness_of(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, W, H]`, the log power that codes stand for."""
        pairs = zip(codes_BWHQ.unbind(-1), self.books_QHK, strict=True)
        return torch.stack([_entries(codes_BWH, book_HK) for codes_BWH, book_HK in pairs]).sum(0)

    def loudness(self, waveforms_BT: Tensor) -> Tensor:
        """Return `[B, W, H]`, the log power of each band over a step and the one before it."""
        size = self._geometry.step_samples
        padded_BT = functional.pad(waveforms_BT, (size, -waveforms_BT.shape[1] % size))
        power_BWF = torch.fft.rfft(padded_BT.unfold(1, 2 * size, size)).abs().square() / (2 * size) ** 2
        bands_BWH = [part.sum(-1) for part in power_BWF.split(self._band_width(), dim=-1)]
        return (torch.stack(bands_BWH, -1) + _QUIETEST).log()

    def _band_width(self) -> int:
        """Return the frequencies of a band; the lowest one has the most sound in it."""
        return math.ceil((self._geometry.step_samples + 1) / self._geometry.bands)

    def codes_of(self, waveforms_BT: Tensor, skipped: int = 0, steps: int | None = None) -> Tensor:
        left_BWH = self.loudness(waveforms_BT.to(self.device))
        left_BWH = left_BWH[:, skipped : None if steps is None else skipped + steps]
        levels: list[Tensor] = []
        for book_HK in self.books_QHK:
            levels.append(_nearest(left_BWH, book_HK))
            left_BWH = left_BWH - _entries(levels[-1], book_HK)
        return torch.stack(levels, -1)

    def audio_of(self, codes: Iterable[Tensor]) -> Iterator[Tensor]:
        steps = (codes_HQ for block_WHQ in codes for codes_HQ in block_WHQ)
        for number, codes_HQ in enumerate(steps):
            yield self._step_of_sound(codes_HQ, number)

    def _step_of_sound(self, codes_HQ: Tensor, number: int) -> Tensor:
        """Return `[T]`, step by step in the same shapes: the same numbers to the last bit."""
        size, rate = self._geometry.step_samples, self._geometry.sample_rate
        levels = zip(codes_HQ.unbind(-1), self.books_QHK.cpu(), strict=False)  # fewer levels: the coarse ones
        loudness_H = torch.stack([_entries(codes_H, book_HK) for codes_H, book_HK in levels]).sum(0)
        hertz_H = (torch.arange(self._geometry.bands) + 0.5) * self._band_width() * rate / (2 * size)
        place_T = torch.arange(number * size, (number + 1) * size, dtype=torch.float64)
        sines_TH = torch.sin(2 * math.pi * place_T[:, None] * hertz_H / rate).float()
        return (sines_TH * 2 * (loudness_H / 2).exp()).sum(1)


class ToyLearner(CodecLearner[ToyCodec, ToyConfig]):
    """How the toy learns: it is fitted, and has no gradients."""

    codec_class: ClassVar[type[Codec]] = ToyCodec
    fits_alone: ClassVar[bool] = True
    val_loudness_NWH: Tensor

    def untrained(self) -> ToyCodec:
        return ToyCodec.without_books(self.config.to_file(), self.spectrogram)

    def prepare(self, should_stop: ShouldStop) -> None:
        stop_point(should_stop)
        self.val_loudness_NWH = self.codec.loudness(self.sounds.val_NT[:].to(self.device))
        mean_frame_N1H = self.val_loudness_NWH.mean(1, keepdim=True)
        self.mean_frame_l1 = functional.l1_loss(
            self.val_loudness_NWH, mean_frame_N1H.expand_as(self.val_loudness_NWH)
        ).item()

    def fit(self, batches: VariantBatches, on_event: OnEvent, should_stop: ShouldStop) -> float:
        self.codec.fit(self.sounds.train_NT[:].to(self.device), on_event, should_stop)
        return self.loss(self.sounds.train_NT[:], should_stop)[0].item()

    def loss(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[Tensor, Tensor]:
        codes_BWHQ = self.codec.codes_of(waveforms_BT)
        loudness_BWH = self.codec.loudness(waveforms_BT.to(self.device))
        return functional.mse_loss(self.codec.loudness_of(codes_BWHQ), loudness_BWH), torch.zeros(())

    def validate(self, should_stop: ShouldStop) -> Validation:
        stop_point(should_stop)
        codes_NWHQ = self.codec.codes_of(self.sounds.val_NT[:])
        found_NWH, used = self.codec.loudness_of(codes_NWHQ), codes_NWHQ[..., 0].unique().numel()
        return Validation(
            loss=functional.mse_loss(found_NWH, self.val_loudness_NWH).item(),
            l1=functional.l1_loss(found_NWH, self.val_loudness_NWH).item(),
            codebook_use=used / self.codec.codebook_size,
        )


@pytest.fixture
def toy_codec(monkeypatch: pytest.MonkeyPatch) -> str:
    """The two rows of the toy, how it is opened and how it is trained, for one test."""
    monkeypatch.setitem(CODECS, NAME, CodecRow(lambda: ToyCodec))
    monkeypatch.setitem(TRAININGS, NAME, CodecTraining(ToyConfig, toy_config_for, lambda: ToyLearner))
    return NAME
