"""The spectrum behind a mel spectrum: non-negative least divergence on the banded filter bank.

Lee and Seung 2001, "Algorithms for Non-negative Matrix Factorization", the multiplicative update for the divergence. It
judges quiet bands as well as loud ones, which squared errors do not, and needs half as many rounds.
"""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants.
import torch
from torch import Tensor, nn

from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig

_ROUNDS = 30
_PARTS = 8  # fewer multiply more zeros, more are more calls
_TINY = 1e-9


def _without_zero_rows(matrix: Tensor) -> tuple[int, int, Tensor]:
    """Return where the rows between the first and the last that are not zero begin and end, and these rows."""
    filled = matrix.any(dim=1).nonzero().flatten().tolist() or [0]
    begin, end = filled[0], filled[-1] + 1
    return begin, end, matrix[begin:end].contiguous()


class _BandedMatrix(nn.Module):
    """A matrix whose columns are zero but for some rows next to each other; neighbours have nearly the same rows."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self._parts = [_without_zero_rows(part) for part in matrix.tensor_split(_PARTS, dim=1)]

    def after(self, rows: Tensor) -> Tensor:
        """Return the product `rows @ matrix`."""
        return torch.cat([rows[..., begin:end] @ part for begin, end, part in self._parts], dim=-1)


class MelInverse(nn.Module):
    """Spectra of given mel spectra; "power" is magnitude to the exponent `config.power`.

    A filter too narrow for the FFT has no frequency, and its band is not heard; a frequency without a filter is silent.
    """

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self._rounds, self._tiny = _ROUNDS, _TINY
        filters = AudioSpectrogram(config).filters
        self._to_mel = _BandedMatrix(filters)
        shares = filters / filters.sum(dim=1, keepdim=True).clamp(min=torch.finfo(filters.dtype).tiny)
        self._to_frequencies = _BandedMatrix(shares.T)
        self._frequencies = len(filters)

    def correction(self, power: Tensor, mel: Tensor) -> Tensor:
        """Return factors `[…, frequencies]` that bring the power `[…, frequencies]` nearer to the mel `[…, n_mels]`."""
        return self._to_frequencies.after(mel / self._to_mel.after(power).add_(self._tiny))

    def power_of(self, mel: Tensor) -> Tensor:
        """Return a smooth power `[…, frequencies]` whose mel is `mel` `[…, n_mels]`."""
        power = mel.new_ones(mel.shape[:-1] + (self._frequencies,))  # noqa: RUF005 - nor does it unpack a list
        for _ in range(self._rounds):
            power *= self.correction(power, mel)
        return power
