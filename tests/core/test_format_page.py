"""The page on the format is enough to write the codec again: here it is, in numpy alone, by the page's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch

from distill_core import load_model_v2
from distill_core.audio.spectrogram import SpectrogramConfig
from tests.soak.specimen import write_small_klt_model

Array: TypeAlias = npt.NDArray[Any]
_erf = np.vectorize(math.erf, otypes=[float])


class PageCodec:
    """The codec `klt` by its page; `x` is a log-mel of frames by mel bands."""

    def __init__(self, path: Path) -> None:
        values = torch.load(path, weights_only=True)
        config, spectrogram = values["vqvae_config"], values["spectrogram_config"]
        self.weights = {key: tensor.double().numpy() for key, tensor in values["model_state_dict"].items()}
        self.S, self.M, self.L = config["step_frames"], config["band_mels"], config["refiner_depth"]
        self.rate_weight, self.n_mels = config["rate_weight"], spectrogram["n_mels"]
        self.full = 3 * (spectrogram["n_fft"] / 4) ** 2 if spectrogram["power"] == 2 else math.inf
        self.H = math.ceil(self.n_mels / self.M)

    def codes_of(self, x: Array) -> Array:
        """Return codes, steps by bands by levels."""
        frames = len(x)
        steps = math.ceil(frames / self.S)
        y = np.zeros((steps * self.S, self.H * self.M))
        y[:frames, : self.n_mels] = np.log1p((np.exp(x) - 1) / 0.0001)
        return np.array([[self._codes_of_patch(self._patch(y, w, h)) for h in range(self.H)] for w in range(steps)])

    def _patch(self, y: Array, w: int, h: int) -> Array:
        S, M = self.S, self.M
        return np.array([y[w * S + s, h * M + m] for s in range(S) for m in range(M)])

    def _codes_of_patch(self, patch: Array) -> list[int]:
        books, bits = self.weights["books_QKC"], self.weights["bits_QK"]
        if patch.max() <= math.log(1.25):
            return [0] * len(books)
        ways: list[tuple[float, list[int], Array, float]] = [(0.0, [], self.weights["basis_DC"].T @ patch, 0.0)]
        for level, (book, costs) in enumerate(zip(books, self.rate_weight * bits, strict=True)):
            found = []
            for _, codes, left, spent in ways:
                for code, (entry, cost) in enumerate(zip(book, costs, strict=True)):
                    rest = left - entry
                    found.append((rest @ rest + spent + cost, [*codes, code], rest, spent + cost))
            ways = sorted(found, key=lambda way: way[0])[: 1 if level == len(books) - 1 else 4]
        return ways[0][1]

    def log_mel_of(self, codes: Array) -> Array:
        """Return the log-mel of codes."""
        y = self._refined(self._decoded(codes))
        power = np.maximum(0, 0.0001 * (np.exp(y) - 1) - 0.000025)[:, : self.n_mels]
        sums = power.sum(1, keepdims=True)
        return np.log1p(power * np.where(sums > self.full, self.full / np.maximum(sums, 1e-9), 1))

    def _decoded(self, codes: Array) -> Array:
        S, M, books = self.S, self.M, self.weights["books_QKC"]
        y = np.zeros((len(codes) * S, self.H * M))
        for w, h in np.ndindex(codes.shape[:2]):
            vector = sum(books[q, code] for q, code in enumerate(codes[w, h]))
            y[w * S : (w + 1) * S, h * M : (h + 1) * M] = (self.weights["basis_DC"] @ vector).reshape(S, M)
        return np.maximum(0, y)

    def _refined(self, y: Array) -> Array:
        cells = self._cells(y)
        z = self._conv("enter", cells)
        place = self.weights["refiner.place_in_patch"]
        for o, i, j in np.ndindex(z.shape):
            z[o, i, j] += place[o, i % (self.M // 4), j % (self.S // 4)]
        for block in range(self.L):
            around = self._conv(f"blocks.{block}.around", z, depthwise=True)
            z = z + self._at_each_cell(f"blocks.{block}.down", _gelu(self._at_each_cell(f"blocks.{block}.up", around)))
        r = self._conv("leave", _gelu(z))
        added = np.empty_like(y)
        for f, m in np.ndindex(y.shape):
            added[f, m] = r[4 * (m % 4) + f % 4, m // 4, f // 4]
        return np.maximum(0, y + 4 * added * (1 - np.exp(-y)))

    def _cells(self, y: Array) -> Array:
        frames, mels = y.shape
        cells = np.empty((18, mels // 4, frames // 4))
        for i, j in np.ndindex(cells.shape[1:]):
            for a, b in np.ndindex(4, 4):
                cells[4 * a + b, i, j] = y[4 * j + b, 4 * i + a] / 4
            height = -1 + 2 * i / (mels // 4 - 1)
            cells[16:, i, j] = height, height**2
        return cells

    def _conv(self, name: str, z: Array, depthwise: bool = False) -> Array:
        weight, bias = self.weights[f"refiner.{name}.weight"], self.weights[f"refiner.{name}.bias"]
        _, rows, columns = z.shape
        around = np.pad(z, ((0, 0), (1, 1), (1, 1)))
        found = np.zeros((len(weight), rows, columns)) + bias[:, None, None]
        for k, m in np.ndindex(3, 3):
            moved = around[:, k : k + rows, m : m + columns]
            found += weight[:, 0, k, m, None, None] * moved if depthwise else np.tensordot(weight[:, :, k, m], moved, 1)
        return found

    def _at_each_cell(self, name: str, z: Array) -> Array:
        weight, bias = self.weights[f"refiner.{name}.weight"], self.weights[f"refiner.{name}.bias"]
        found: Array = np.tensordot(weight[:, :, 0, 0], z, 1) + bias[:, None, None]
        return found


def _gelu(t: Array) -> Array:
    found: Array = t * (1 + _erf(t / math.sqrt(2))) / 2
    return found


class _LogMelsThemselves:
    """An inversion, and a limiter, that leaves log-mels as they are."""

    def __init__(self, config: SpectrogramConfig | int) -> None:
        pass

    def blocks_of(self, log_mels: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        yield from log_mels


def _trained(folder: Path, shared: Path) -> Path:
    return shared


def _small(spectrogram: SpectrogramConfig | None = None, **config: Any) -> Callable[[Path, Path], Path]:
    return lambda folder, shared: write_small_klt_model(folder, spectrogram, codebook_size=16, **config)


@pytest.mark.parametrize(
    "model",
    [
        _trained,
        _small(),
        _small(refiner_depth=3, refiner_width=5, step_frames=4, band_mels=20, num_quantizers=3),
        _small(SpectrogramConfig(sample_rate=16_000, n_fft=1024, hop_length=200, n_mels=50), refiner_depth=0),
        _small(SpectrogramConfig(sample_rate=8_000, n_fft=64, hop_length=32, n_mels=20, power=1.0), components=1),
    ],
    ids=["trained", "random", "deep and narrow", "another spectrogram", "louder than full scale"],
)
def test_the_page_alone_is_enough_to_encode_and_decode(
    model: Callable[[Path, Path], Path],
    shared_klt_model: Path,
    tone: Callable[..., Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = model(tmp_path, shared_klt_model)
    page, loaded = PageCodec(path), load_model_v2(path)
    rate = loaded.spectrogram.config.sample_rate
    waveform_T = torch.from_numpy(tone(seed=3, seconds=2.3, rate=rate)[:, 0])
    waveform_T[rate // 2 : rate] = 0
    codes_WHQ = loaded.model.codes_of(waveform_T[None])[0]
    by_page_WHQ = page.codes_of(loaded.spectrogram.log_mel(waveform_T[None])[0, 0].T.double().numpy())
    assert by_page_WHQ.shape == tuple(codes_WHQ.shape)
    # One in two hundred may be a near tie that rounding decides.
    assert (by_page_WHQ == codes_WHQ.numpy()).mean() > 0.995
    assert codes_WHQ.unique().numel() > 3
    assert not codes_WHQ[loaded.geometry.steps_of(rate // 2) + 2 : rate // loaded.geometry.step_samples - 2].any()
    for name in ("mel_inversion", "Limiter"):
        monkeypatch.setattr(f"distill_core.models.klt.codec.{name}", _LogMelsThemselves)
    log_mel_MF = torch.cat(list(loaded.model.audio_of(codes_WHQ.split(3))), dim=1)
    by_page_FM = page.log_mel_of(codes_WHQ.numpy())
    assert by_page_FM.max() > 0.1
    np.testing.assert_allclose(log_mel_MF.numpy().T, by_page_FM, rtol=1e-3, atol=1e-5)
