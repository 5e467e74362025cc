"""How near takes lie to the sounds that a prior learned from: `python3 run.py bench takes --model MODEL SOUNDS`.

The measure is the Fréchet distance (Heusel et al. 2017) between the frames of two sets of sounds, as mel spectra in dB,
each sound as loud as it can be; in shares of the variance of the training sounds' frames. Beside the takes stand
held-out sounds, and the round trips of these: what the codec leaves of a sound is as near as takes can come. The length
of *one sound* is compared too.
`--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.figures import tell
from benchmarks.sound_distance import Moments, frechet_distance
from distill_core.audio.dataset import AudioFile, scan
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.generation.generate import generate_takes
from distill_core.generation.request import GenerateRequest
from distill_core.generation.round_trip import round_trip
from distill_core.models.persistence import LoadedVQModel, load_model_v2

BARS = "Bars: takes at most 3 × the distance of round trips; the median of one sound within a factor of two."
_MOST_SOUNDS, _MOST_S = 60, 10
_QUIETEST = 1e-6  # of a mel's power


def moments_of(waveforms: Iterable[Tensor]) -> Moments:
    """Return mean `[F]` and covariance `[F, F]` of the frames of sounds `[T]` at 48 kHz, in dB."""
    spectrogram = AudioSpectrogram(SpectrogramConfig())
    frames = []
    for waveform_T in waveforms:
        loud_T = waveform_T / waveform_T.abs().max().clamp(min=_QUIETEST)
        power = spectrogram.log_mel(loud_T[None])[0, 0].expm1()
        frames.append(10 * power.clamp(min=_QUIETEST).log10().T)
    frames_NF = torch.cat(frames).double()
    return frames_NF.mean(0), torch.cov(frames_NF.T)


def _read(files: Sequence[AudioFile]) -> list[Tensor]:
    return [read_mono(file.path, 48_000)[: 48_000 * _MOST_S] for file in files[:_MOST_SOUNDS]]


def measure(loaded: LoadedVQModel, folder: Path, count: int) -> dict[str, float]:
    """Return distances to the training sounds, and the median lengths of sounds and of *one sound*."""
    names = set((loaded.prior_metadata or {}).get("validation_files", []))
    files = scan(folder).files
    held_out = _read([file for file in files if file.name in names])
    trained = moments_of(_read([file for file in files if file.name not in names]))

    def distance(waveforms: Iterable[Tensor]) -> float:
        return frechet_distance(trained, moments_of(waveforms)) / float(torch.trace(trained[1]))

    requests = {"takes of 5 s": GenerateRequest(seconds=5.0, count=count)}
    if loaded.prior is not None and loaded.prior.learns_end:
        requests["one sound"] = GenerateRequest(until_end=True, count=count)
    takes = {name: [*generate_takes(loaded, request)] for name, request in requests.items()}
    trips = (round_trip(loaded, waveform_T) for waveform_T in held_out)
    found = {"held-out sounds": distance(held_out), "round trips": distance(trips)}
    found |= {name: distance(take.waveform_T for take in each) for name, each in takes.items()}
    found["ratio of takes to round trips"] = found["takes of 5 s"] / found["round trips"]
    found["median of the sounds, s"] = median(file.duration_s for file in files)
    if "one sound" in takes:
        found["median of one sound, s"] = median(take.duration_s for take in takes["one sound"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench takes", description=__doc__)
    parser.add_argument("sounds", type=Path, help="the folder that the prior learned from")
    parser.add_argument("--model", type=Path, required=True, help="a .distill file with a prior")
    parser.add_argument("--count", type=int, default=20, help="takes of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tell(measure(load_model_v2(options.model), options.sounds, options.count), BARS, options.json)


if __name__ == "__main__":
    main()
