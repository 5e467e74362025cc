"""Sound from true log-mels by torchaudio's way and by Distill's, second by second in turns.

The rival is torchaudio's `InverseMelScale` with 128 rounds of its `GriffinLim`; the error is the mean difference of the
log-mel of what came out, of seconds as loud as they can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time

import torch
from torch import Tensor

from distill_core.audio.dataset import scan
from distill_core.audio.inversion import mel_inversion
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.audio.torchaudio_import import GriffinLim, InverseMelScale

RIVAL, OURS = "InverseMelScale, 128 rounds", "ours"
BARS = "Bars of inversion: of the rival's error .78 (drums), .35 (tonal)."
_RIVAL_ROUNDS = 128
_CONFIG = SpectrogramConfig()
_QUIETEST = 1e-3
_Way = Callable[[Tensor], Tensor]


def _seconds_of(path: Path, most: int) -> Iterator[Tensor]:
    """Yield up to `most` whole seconds of a sound, as loud as they can be; a short one is filled up with silence."""
    rate = _CONFIG.sample_rate
    waveform_T = read_mono(path, rate)
    for second_T in waveform_T[: max(rate, len(waveform_T) // rate * rate)].split(rate)[:most]:
        if (peak := float(second_T.abs().max())) > _QUIETEST:
            yield torch.nn.functional.pad(second_T / peak, (0, rate - len(second_T)))


def read_seconds(folder: Path, most: int) -> Tensor:
    """Return `[N, T]`, up to `most` seconds from all over a folder, three at most of one sound."""
    paths = [file.path for file in scan(folder).files]
    spread = paths[:: max(1, len(paths) // most)]
    return torch.stack([*islice((each for path in spread for each in _seconds_of(path, 3)), most)])


def _ways() -> dict[str, _Way]:
    bins, samples = _CONFIG.n_fft // 2 + 1, _CONFIG.sample_rate
    mel_scale = InverseMelScale(bins, _CONFIG.n_mels, samples, driver="gelsd")
    griffin_lim = GriffinLim(_CONFIG.n_fft, _RIVAL_ROUNDS, hop_length=_CONFIG.hop_length, length=samples)
    inversion = mel_inversion(_CONFIG)
    return {
        RIVAL: lambda log_mel: griffin_lim(mel_scale(log_mel.expm1())),
        OURS: lambda log_mel: inversion.waveforms_of(log_mel)[:, :samples],
    }


def compare(seconds_NT: Tensor) -> dict[str, dict[str, float]]:
    """Return error and CPU time of a second by each way, and the ratio to the rival's."""
    spectrogram, ways = AudioSpectrogram(_CONFIG), _ways()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    errors: dict[str, list[float]] = {name: [] for name in ways}
    torch.manual_seed(0)  # torchaudio's phases begin at random
    for second_1T in seconds_NT.split(1):
        log_mel = spectrogram.log_mel(second_1T)[:, 0]
        for name, way in ways.items():
            begun = process_time()
            heard_1T = way(log_mel)
            spent[name].append(process_time() - begun)
            errors[name].append(float((spectrogram.log_mel(heard_1T)[:, 0] - log_mel).abs().mean()))
    rows = {name: {"error": sum(errors[name]) / len(seconds_NT), "cpu_s": median(spent[name])} for name in ways}
    return {name: row | {f"{key}_ratio": row[key] / rows[RIVAL][key] for key in row} for name, row in rows.items()}


def print_comparison(rows: dict[str, dict[str, float]], seconds: int) -> None:
    print(f"inversion of {seconds} s{'':15}log-mel error      CPU s a second")
    for way, row in rows.items():
        ratios = f"{row['error']:14.4f} ({row['error_ratio']:.2f}×){row['cpu_s']:13.3f} ({row['cpu_s_ratio']:.2f}×)"
        print(f"  {way:28}{ratios}", flush=True)
