"""The distance of generated sounds from held-out ones, frame by frame.

Frames are mels in dB with a floor of −80 dB, of the first four seconds of sounds, as long as a take; known and held-out
sounds at full level, takes as loud as they came out. They stand in the 32 principal components of known sounds' frames.
*Fréchet* is the Fréchet distance (Heusel et al. 2017) of the frames' normal distributions, in percent of the variance
of the known sounds' frames. *Nearest* is the median distance of a frame from the nearest held-out one, *coverage* that
of a held-out frame from the nearest one of the sounds: frames near the mean are near to all, but cover little.

Ten takes are few: ten known sounds, which no generator can beat, are some way off, too, and are measured beside them.

Frames that are all floor are silence. They are left out on both sides, and only their share is told: a take may be
silent between its sounds, where held-out sounds are files that end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.sound_error import FLOOR_DB, RATE, in_db, log_mel_of

COMPONENTS = 32
_FRAMES_AT_ONCE = 512
_FEWEST_FRAMES = 2
TAKES, TAKE_S = 10, 4.0
_MOST_FRAMES_COMPARED = 4000  # with the nearest one: as many as takes have
Moments = tuple[Tensor, Tensor]


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return the Fréchet distance of two normal distributions, each as mean and covariance."""
    (mean, covariance), (other_mean, other_covariance) = first, second
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    shared = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    spread = torch.trace(covariance) + torch.trace(other_covariance) - 2 * shared
    return float((mean - other_mean).square().sum() + spread)


def frames_of(sounds: Iterable[Tensor]) -> Tensor:
    """Return the frames `[N, F]` of the first seconds of sounds `[T]` in dB, silence included."""
    firsts = (sound_T[: round(TAKE_S * RATE)] for sound_T in sounds)
    return torch.cat([in_db(log_mel_of(first_T)).T for first_T in firsts]).double()


def silent_share(frames_NF: Tensor) -> float:
    """Return the share of frames that are silence."""
    return float((frames_NF.amax(1) <= FLOOR_DB).double().mean())


def sounding(frames_NF: Tensor) -> Tensor:
    """Return the frames that are not all floor, or all of them if hardly one sounds."""
    is_heard_N = frames_NF.amax(1) > FLOOR_DB
    return frames_NF[is_heard_N] if int(is_heard_N.sum()) >= _FEWEST_FRAMES else frames_NF


def moments_of(frames_NC: Tensor) -> Moments:
    """Return mean `[C]` and covariance `[C, C]` of frames."""
    return frames_NC.mean(0), torch.cov(frames_NC.T)


def nearest_distances(frames_NC: Tensor, others_MC: Tensor) -> Tensor:
    """Return `[N]`, the distance of each frame from the nearest of the others."""
    parts = frames_NC.split(_FRAMES_AT_ONCE)
    return torch.cat([torch.cdist(part_NC, others_MC).amin(1) for part_NC in parts])


@dataclass(frozen=True)
class Distance:
    """The distance of sounds from held-out ones, and the share of their frames that is silence."""

    frechet_percent: float
    nearest_db: float
    coverage_db: float
    silent_share: float


class HeldOutFrames:
    """The frames of held-out sounds in the principal components of known ones, to measure others by.

    `floor` is the distance of the known ones, `floor_of_few` that of as many of them as there are takes.
    """

    def __init__(self, known: Sequence[Tensor], held_out: Sequence[Tensor]) -> None:
        known_NF = sounding(frames_of(known))
        self._mean_F = known_NF.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov(known_NF.T))
        self._basis_FC = vectors[:, -COMPONENTS:]
        self._variance = float(values[-COMPONENTS:].sum())
        self._frames_NC = self._components(sounding(frames_of(held_out)))
        self.floor = self.distance(known)
        self.floor_of_few = self.distance(known[:: -(-len(known) // TAKES)])

    def _components(self, frames_NF: Tensor) -> Tensor:
        frames_NC: Tensor = (frames_NF - self._mean_F) @ self._basis_FC
        return frames_NC

    def distance(self, sounds: Sequence[Tensor]) -> Distance:
        """Return how far sounds lie from the held-out ones."""
        frames_NF = frames_of(sounds)
        frames_NC = self._components(sounding(frames_NF))
        frechet = frechet_distance(moments_of(frames_NC), moments_of(self._frames_NC))
        some_NC = frames_NC[:: -(-len(frames_NC) // _MOST_FRAMES_COMPARED)]
        nearest = float(nearest_distances(some_NC, self._frames_NC).median())
        coverage = float(nearest_distances(self._frames_NC, some_NC).median())
        return Distance(100 * frechet / self._variance, nearest, coverage, silent_share(frames_NF))
