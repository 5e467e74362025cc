"""How near and how fast sound comes from a mel and from codes: `python3 run.py bench sound`.

The first rows turn true log-mels of real sounds into sound: torchaudio's `InverseMelScale` with 128 rounds of its
`GriffinLim`, and Distill's way. They take turns second by second of sound, in one thread; the error is the mean
difference of the log-mel of what came out, of seconds as loud as they can be. Then, with a model: sound alone from
codes, in CPU time and one thread; codes and sound by the clock, as a take is made; and how long the first block takes.
A model without a prior gets an untrained one, as large as a medium set of sounds gets by default: as fast as a trained
one.
`--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch
from torch import Tensor

from distill_core.audio.dataset import scan
from distill_core.audio.inversion import mel_inversion
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.audio.torchaudio_import import GriffinLim, InverseMelScale
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest, SoundBlock
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.training.prior.config import prior_config_for
from distill_core.training.prior.number_format import processor_name

ROOT = Path(__file__).resolve().parents[1]
DEMO_SOUNDS = ROOT / "resources/demo/sounds"
DEMO_MODEL = ROOT / "resources/demo/demo.distill"
RIVAL, OURS = "InverseMelScale, 128 rounds", "ours"
BARS = "Bars: sound alone at least 5 × real time, codes and sound 2 ×; of the rival's error .78 (drums), .35 (tonal)."
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


def with_prior(loaded: LoadedVQModel, codes: int) -> LoadedVQModel:
    """Return the model with its own prior, or with an untrained one."""
    if loaded.prior is not None:
        return loaded
    geometry, settings = loaded.geometry, asdict(prior_config_for(codes)) | {"learns_end": False}
    context_steps = geometry.steps_within(settings["context_s"])
    prior = FramesPrior.begin(geometry, loaded.model.codebook_size, settings, context_steps).eval()
    return replace(loaded, prior=prior, prior_config=settings | prior.sizes(), prior_metadata={})


def _codes(loaded: LoadedVQModel, seconds: float) -> Tensor:
    """Return codes `[W, H, Q]` of the demo's sounds one after another."""
    geometry = loaded.geometry
    waveforms = [read_mono(path, geometry.sample_rate) for path in sorted(DEMO_SOUNDS.iterdir())]
    waveform_T = torch.cat([each_T / each_T.abs().max() for each_T in waveforms])
    steps = geometry.steps_of(round(seconds * geometry.sample_rate))
    codes_WHQ = loaded.model.codes_of(waveform_T[None])[0].cpu()
    return codes_WHQ.repeat(-(-steps // len(codes_WHQ)), 1, 1)[:steps]


def sound_alone(loaded: LoadedVQModel, seconds: float) -> dict[str, float]:
    """Return how many times real time codes become sound in CPU time, and the CPU time of the first block."""
    codes_WHQ = _codes(loaded, seconds)
    begun = process_time()
    sound = loaded.model.audio_of([codes_WHQ])
    samples = len(next(sound))
    first_s = process_time() - begun
    samples += sum(map(len, sound))
    spent_s = process_time() - begun
    return {"sound alone, × real time": samples / loaded.geometry.sample_rate / spent_s, "its first block, s": first_s}


def codes_and_sound(loaded: LoadedVQModel, seconds: float) -> dict[str, float]:
    """Return how many times real time a take is made by the clock, and when its first block is there."""
    heard_s: list[float] = []

    def note(event: object) -> None:
        if isinstance(event, SoundBlock):
            heard_s.append(perf_counter() - begun)

    begun = perf_counter()
    take = generate(loaded, GenerateRequest(seconds=seconds), on_event=note)
    spent_s = perf_counter() - begun
    return {"codes and sound, × real time": take.duration_s / spent_s, "its first block, s": heard_s[0]}


def _show_comparison(name: str, rows: dict[str, dict[str, float]], seconds: int) -> None:
    print(f"{name}, {seconds} s{'':12}log-mel error      CPU s a second")
    for way, row in rows.items():
        ratios = f"{row['error']:14.4f} ({row['error_ratio']:.2f}×){row['cpu_s']:13.3f} ({row['cpu_s_ratio']:.2f}×)"
        print(f"  {way:28}{ratios}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench sound", description=__doc__)
    parser.add_argument("--sounds", type=Path, action="append", help="a folder of sounds, instead of the demo's; again")
    parser.add_argument("--most", type=int, default=24, help="seconds of each folder")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL, help="a .distill file (default: the demo)")
    parser.add_argument("--codes", type=int, default=147_000, help="of the set that sizes an untrained prior")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the takes")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    options, results = parse(), {}
    torch.set_num_threads(1)
    print(f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, one thread")
    for folder in options.sounds or [DEMO_SOUNDS]:
        seconds_NT = read_seconds(folder, options.most)
        results[str(folder)] = compare(seconds_NT)
        _show_comparison(folder.name, results[str(folder)], len(seconds_NT))
    loaded = with_prior(load_model_v2(options.model), options.codes)
    codes_and_sound(loaded, 1.0)  # what is loaded and made on first use
    for measure in (sound_alone, codes_and_sound):
        results[measure.__name__] = measure(loaded, options.seconds)
        for name, value in results[measure.__name__].items():
            print(f"{name:32}{value:8.2f}", flush=True)
    print(BARS)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
