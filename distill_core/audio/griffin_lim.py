"""Phases for magnitudes: fast Griffin-Lim that begins with steady partials.

Perraudin, Balazs, Søndergaard 2013, "A fast Griffin-Lim algorithm"; Beauregard, Harish, Wyse 2015, "Single Pass
Spectrogram Inversion".
"""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants: those of functions
# are defaults of parameters here.
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_MOMENTUM = 0.99
_ROUNDS_A_CORRECTION = 4
_TINY = 1e-16
_QUIETEST = 1e-6  # magnitude that has a phase
_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples lie far from one another on the circle


class Frames(nn.Module):
    """The frames of a waveform: `n_fft` samples each, `hop` apart, the first from the waveform's first sample on."""

    _window_T: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("_window_T", torch.hann_window(n_fft))

    def spectra_of(self, waveforms_BT: Tensor) -> Tensor:
        """Return spectra `[B, frames, bins]`."""
        spectra: Tensor = torch.fft.rfft(waveforms_BT.unfold(1, self.n_fft, self.hop) * self._window_T)
        return spectra

    def overlap(self, frames: int) -> Tensor:
        """Return the sum of the squared windows of some frames, `[T]`, which is never zero."""
        return self._sum(self._window_T.square().expand(1, frames, -1))[0].clamp_(min=1e-6)

    def waveforms_of(self, spectra: Tensor, overlap_T: Tensor) -> Tensor:
        """Return the waveforms `[B, T]` whose spectra are nearest to these `[B, frames, bins]`."""
        return self._sum(torch.fft.irfft(spectra, n=self.n_fft).mul_(self._window_T)).div_(overlap_T)

    def _sum(self, pieces: Tensor) -> Tensor:
        """Return `[B, T]`, the sum of pieces `[B, frames, n_fft]` at the frames' places."""
        batch, frames, _ = pieces.shape
        hops = math.ceil(self.n_fft / self.hop)
        if self.n_fft % self.hop:
            pieces = functional.pad(pieces, (0, hops * self.hop - self.n_fft))
        summed = pieces.new_zeros(batch, frames + hops - 1, self.hop)
        for first, part in enumerate(pieces.unflatten(2, (hops, self.hop)).unbind(2)):
            summed[:, first : first + frames] += part
        return summed.flatten(1)[:, : (frames - 1) * self.hop + self.n_fft]


def _squared(spectra: Tensor) -> Tensor:
    """Return the squared magnitudes, rounded alike whatever the number of threads, in half the time of `abs`."""
    squared = torch.view_as_real(spectra).square()
    return squared[..., 0] + squared[..., 1]


def _nearest_true(is_peak: Tensor) -> Tensor:
    """Return the index along the last axis of the nearest true value, or any index where there is none."""
    last = is_peak.shape[-1] - 1
    index = torch.arange(last + 1).expand(is_peak.shape)
    below = index.where(is_peak, -2 * last).cummax(-1).values
    above = index.where(is_peak, 3 * last).flip(-1).cummin(-1).values.flip(-1)
    return below.where(index - below <= above - index, above).clamp_(0, last)


def _partials_of(magnitudes: Tensor, tiny: float = _TINY) -> Tensor:
    """Return the frequency in bins, between two of them too, of the peak nearest to each bin `[B, frames, bins]`."""
    left, middle, right = magnitudes.sqrt().unfold(-1, 3, 1).unbind(-1)
    is_peak = (middle > left) & (middle >= right)
    # The vertex of the parabola through a peak and its neighbours. Other than logarithms, roots are rounded alike
    # whatever the number of threads.
    beside = (left - right) / (2 * (left - 2 * middle + right)).clamp(max=-tiny)
    peaks = torch.arange(1, middle.shape[-1] + 1) + beside.where(is_peak, 0.0)
    return functional.pad(peaks.gather(-1, _nearest_true(is_peak)), (1, 1), mode="replicate")


def _scattered_start(partials: Tensor, golden: float = _GOLDEN) -> Tensor:
    """Return the phases in turns, `[B, bins]`, of a frame whose partials `[B, bins]` do not peak together."""
    numbers = partials.double().round()
    middle = torch.arange(partials.shape[-1]) / 2  # a partial's own bins meet in the frame's middle
    return (numbers.square() * golden + middle).frac_().float()


def _steady_spectra(magnitudes: Tensor, hop_share: float, first: Tensor | None, quietest: float = _QUIETEST) -> Tensor:
    """Return spectra `[B, frames, bins]` in which each peak is a partial that goes on.

    A frame begins `hop_share` of a frame after the one before it. The first frame has the phases of `first`
    `[B, bins]`; where that is silent, phases far from one another.
    """
    partials = _partials_of(magnitudes)
    moves = (partials[:, 1:] * hop_share).frac_().cumsum(1).frac_()
    phases = functional.pad(moves, (0, 0, 1, 0)).mul_(2 * math.pi)
    scattered = _scattered_start(partials[:, 0]).mul_(2 * math.pi)
    start = torch.polar(torch.full_like(scattered, quietest), scattered)
    if first is not None:
        start = start + first
    return torch.polar(magnitudes, phases).mul_((start / start.abs())[:, None])


class GriffinLim(nn.Module):
    """Waveforms for magnitudes, of which more is known than their sizes; see `correct` and `constrain`.

    `known` and `past_BT` are for these two alone.
    """

    def __init__(self, frames: Frames, rounds: int) -> None:
        super().__init__()
        self.frames, self.rounds = frames, rounds
        self._rounds_a_correction, self._ahead, self._tiny = _ROUNDS_A_CORRECTION, _MOMENTUM / (1 + _MOMENTUM), _TINY

    def correct(self, squared: Tensor, known: Tensor) -> Tensor:
        """Return better magnitudes for squared ones that were found."""
        raise NotImplementedError

    def constrain(self, waveforms_BT: Tensor, past_BT: Tensor | None) -> None:
        """Put what is known of the waveforms into found ones."""
        raise NotImplementedError

    def waveforms_for(
        self, magnitudes: Tensor, known: Tensor, past_BT: Tensor | None, first: Tensor | None = None
    ) -> Tensor:
        """Return waveforms `[B, T]` for magnitudes `[B, frames, bins]`; no random number is drawn.

        `first` `[B, bins]` is the spectrum of the first frame, where it is known.
        """
        overlap_T = self.frames.overlap(magnitudes.shape[1])
        steady = _steady_spectra(magnitudes, self.frames.hop / self.frames.n_fft, first)
        waveforms_BT = self.frames.waveforms_of(steady, overlap_T)
        self.constrain(waveforms_BT, past_BT)
        before = self.frames.spectra_of(waveforms_BT)
        spectra = before.clone()
        for number in range(1, self.rounds + 1):
            squared = _squared(spectra)
            if number % self._rounds_a_correction == 0:
                magnitudes = self.correct(squared, known)
            spectra = spectra.mul_(magnitudes * (squared + self._tiny).rsqrt_())
            waveforms_BT = self.frames.waveforms_of(spectra, overlap_T)
            self.constrain(waveforms_BT, past_BT)
            found = self.frames.spectra_of(waveforms_BT)
            spectra, before = torch.sub(found, before, alpha=self._ahead), found
        return waveforms_BT
