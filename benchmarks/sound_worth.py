"""What a codec is worth: errors of its round trips, bits of its codes, distance of the takes that a prior makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from statistics import fmean

import soundfile
import torch
from torch import Tensor

from benchmarks import sound_codes, sound_error
from benchmarks.sound_codes import CodeFigures, code_figures
from benchmarks.sound_contenders import Contender
from benchmarks.sound_distance import TAKE_S, TAKES, Distance, HeldOutFrames
from benchmarks.sound_error import RATE, PieceError, decibels, errors_of, highest, hum_db
from benchmarks.sound_speed import encode_and_decode
from benchmarks.sound_split import Part
from distill_core.audio.dataset import AudioFile
from distill_core.audio.io import read_mono
from distill_core.audio.true_peak import safe_gain, true_peak
from distill_core.generation.generate import generate_takes
from distill_core.generation.request import GenerateRequest
from distill_core.generation.round_trip import round_trip

_MOST_SOUNDS, _MOST_COMPARED, _MOST_S = 60, 250, 10
Row = dict[str, float | None]


def some_of(files: Sequence[AudioFile], most: int = _MOST_SOUNDS) -> list[AudioFile]:
    """Return `most` files from all over a set."""
    return [*files][:: -(-len(files) // most)]


def read_sounds(files: Sequence[AudioFile]) -> list[Tensor]:
    """Return the first ten seconds of sounds, each as loud as it can be."""
    waveforms = (read_mono(file.path, RATE, file.channel)[: RATE * _MOST_S] for file in files)
    return [waveform_T / waveform_T.abs().max().clamp(min=1e-10) for waveform_T in waveforms]


class HeldOut:
    """A part's held-out sounds and some of the known ones, and the folder for listening, None for none."""

    def __init__(self, part: Part, listen: Path | None) -> None:
        self.part, self._listen = part, listen
        self.files, self.known_files = some_of(part.held_out), some_of(part.known.files)
        self.sounds = read_sounds(self.files)
        compared = (some_of(files, _MOST_COMPARED) for files in (part.known.files, part.held_out))
        self.frames = HeldOutFrames(*map(read_sounds, compared))

    def keep(self, kind: str, name: str, waveform_T: Tensor) -> None:
        """Write a sound for listening, no louder than a file that Distill exports."""
        if self._listen is not None:
            path = self._listen / kind / f"{PurePath(name).with_suffix('').as_posix().replace('/', ' ')}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, (waveform_T * safe_gain(waveform_T)).numpy(), RATE, subtype="PCM_24")

    def round_trips(self, kind: str, way: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return what a way makes of each sound, and keep it for listening."""
        heard = [way(sound_T) for sound_T in self.sounds]
        for file, heard_T in zip(self.files, heard, strict=True):
            self.keep(kind, file.name, heard_T)
        return heard

    def errors(self, heard: Sequence[Tensor]) -> list[PieceError]:
        """Return the errors of all pieces."""
        pairs = zip(self.sounds, heard, strict=True)
        return [error for original_T, heard_T in pairs for error in errors_of(original_T, heard_T)]


@dataclass(frozen=True)
class Findings:
    """The figures of a contender on one part. Peaks are the highest true peaks, in dBFS.

    The peaks of files are those after the gain of an export; of round trips, `round_trip_peak_db` is that of a sound
    whose original just reaches full scale.
    """

    errors: list[PieceError]
    codes: CodeFigures
    distance: Distance | None
    floor: Distance
    floor_of_few: Distance
    speed: dict[str, float]
    round_trip_peak_db: float
    exported_peak_db: float
    take_peak_db: float | None
    hum_db: float | None
    usable_cpu_s: float
    codec_cpu_s: float
    prior_cpu_s: float
    prior_epochs: int


def _takes(name: str, contender: Contender, held_out: HeldOut, seed: int) -> list[Tensor]:
    """Return new sound as it comes out; none without a prior."""
    if contender.loaded.prior is None:
        return []
    request = GenerateRequest(seconds=TAKE_S, temperature=1.0, top_p=0.95, seed=seed, count=TAKES)
    takes = [take.waveform_T for take in generate_takes(contender.loaded, request)]
    for number, take_T in enumerate(takes, start=1):
        held_out.keep(f"{name}, takes", f"take {number}", take_T)
    return takes


def _exported_peak_db(waveform_T: Tensor) -> float:
    return decibels(true_peak(waveform_T) * safe_gain(waveform_T))


def examine(name: str, contender: Contender, held_out: HeldOut, seed: int) -> Findings:
    """Return the figures of a contender on held-out sounds."""
    torch.set_num_threads(1)
    loaded = contender.loaded
    heard = held_out.round_trips(name, lambda sound_T: round_trip(loaded, sound_T))
    takes = _takes(name, contender, held_out, seed)
    return Findings(
        errors=held_out.errors(heard),
        codes=code_figures(loaded, held_out.known_files, held_out.part.held_out),
        distance=held_out.frames.distance(takes) if takes else None,
        floor=held_out.frames.floor,
        floor_of_few=held_out.frames.floor_of_few,
        speed=encode_and_decode(loaded, held_out.sounds),
        round_trip_peak_db=max(decibels(true_peak(heard_T)) for heard_T in heard),
        exported_peak_db=max(map(_exported_peak_db, heard)),
        take_peak_db=highest(map(_exported_peak_db, takes)),
        hum_db=highest(map(hum_db, held_out.sounds, heard)),
        usable_cpu_s=contender.usable_cpu_s,
        codec_cpu_s=contender.codec_cpu_s,
        prior_cpu_s=contender.prior_cpu_s,
        prior_epochs=contender.prior_epochs,
    )


def _mean_distance(distances: Sequence[Distance | None]) -> Row:
    """Return the means over parts: each part's takes are compared with the sounds held out there."""
    there = [distance for distance in distances if distance is not None]
    means = {name: fmean(getattr(each, name) for each in there) if there else None for name in Distance.__annotations__}
    return {f"generated_{name}": mean for name, mean in means.items()}


def pooled(findings: Sequence[Findings]) -> Row:
    """Return the figures of all parts together; of peaks, hum and CPU seconds until it is usable, the highest."""
    errors = sound_error.pooled([error for each in findings for error in each.errors])
    floor = _mean_distance([each.floor for each in findings])
    few = _mean_distance([each.floor_of_few for each in findings])
    worst = ("round_trip_peak_db", "exported_peak_db", "take_peak_db", "hum_db", "usable_cpu_s")
    mean = ("codec_cpu_s", "prior_cpu_s", "prior_epochs")
    return {
        **errors,
        **sound_codes.pooled([each.codes for each in findings]),
        **_mean_distance([each.distance for each in findings]),
        "floor_frechet_percent": floor["generated_frechet_percent"],
        "floor_nearest_db": floor["generated_nearest_db"],
        "floor_coverage_db": floor["generated_coverage_db"],
        "floor_of_few_frechet_percent": few["generated_frechet_percent"],
        **{name: fmean(each.speed[name] for each in findings) for name in findings[0].speed},
        **{name: highest(getattr(each, name) for each in findings) for name in worst},
        **{name: fmean(getattr(each, name) for each in findings) for name in mean},
    }


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 4) if ours is not None and theirs else None


def ratios(ours: Row, v2: Row, mean_frame: Row) -> Row:
    """Return ours ÷ theirs, and the two figures that stand for themselves."""
    return {
        "error_vs_v2": _ratio(ours["log1p"], v2["log1p"]),
        "db_error_vs_v2": _ratio(ours["db"], v2["db"]),
        "stft_error_vs_v2": _ratio(ours["stft"], v2["stft"]),
        "error_vs_mean_frame": _ratio(ours["log1p"], mean_frame["log1p"]),
        "prior_bits_vs_v2": _ratio(ours["prior_bits_per_s"], v2["prior_bits_per_s"]),
        "generated_distance_vs_v2": _ratio(ours["generated_frechet_percent"], v2["generated_frechet_percent"]),
        "min_codebook_use": ours["min_codebook_use"],
        "fit_cpu_s": ours["usable_cpu_s"],
    }


def details_of(findings: Findings) -> dict[str, object]:
    """Return a part's figures as plain values, its pieces pooled."""
    return {**asdict(findings), "errors": sound_error.pooled(findings.errors)}
