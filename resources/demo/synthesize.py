"""Make the demo sounds: eighteen short bells, plucks and drums, written as FLAC (44.1 kHz, mono, 16 bit).

The demo model is trained on them, so they are ours to give away and small enough to live beside the code.
Each family shares one instrument (five notes of one bell, five notes of one string, one drum kit in one room),
so that what is learned from some of the sounds also holds for those kept back for validation.

Run it with numpy and soundfile installed; the same versions write the same bytes every time:

    python resources/demo/synthesize.py              # into resources/demo/sounds
    python resources/demo/synthesize.py some/folder

To add a sound, add a line to `RECIPES`: each sound draws from its own random numbers, so the others stay as they are.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

Sound = NDArray[np.float64]
Recipe = Callable[[Generator], Sound]

SAMPLE_RATE = 44_100
SEED = 2
PEAK = 10 ** (-1 / 20)  # -1 dBFS
FADE_IN_S = 0.001
FADE_OUT_SHARE = 0.25
SEMITONES = {"c": -9, "d": -7, "e": -5, "f": -4, "g": -2, "a": 0, "b": 2}  # from the A of the same octave

# Frequency over strike note, level, and seconds to fall by 60 dB: hum, prime, tierce, quint, nominal and above
BELL_PARTIALS = (
    (0.500, 0.28, 4.50),
    (1.000, 0.85, 3.80),
    (1.183, 0.50, 2.80),
    (1.506, 0.16, 2.00),
    (2.000, 1.00, 2.20),
    (2.514, 0.26, 1.30),
    (2.662, 0.22, 1.15),
    (3.011, 0.42, 1.05),
    (4.166, 0.34, 0.70),
    (5.433, 0.22, 0.45),
    (6.796, 0.14, 0.30),
    (8.215, 0.09, 0.20),
)
# Hz, level, and seconds to fall by 60 dB: the air, the top plate and the wood of a guitar
BODY_MODES = ((104, 0.30, 0.30), (198, 0.45, 0.22), (405, 0.30, 0.12), (690, 0.20, 0.08), (1150, 0.14, 0.05))
FINGER_WIDTHS = (0.2, 0.08, 0.03, 0.01)  # shares of a string's period; together harmonics that fall as 1/n
# Frequency over the lowest, level, and decay over that of the lowest: the first modes of a round drum skin
SKIN_MODES = ((1.00, 1.00, 1.00), (1.59, 0.42, 0.60), (2.14, 0.24, 0.42), (2.65, 0.14, 0.32), (2.92, 0.10, 0.28))
CYMBAL_HZ = (263.0, 400.0, 421.0, 474.0, 587.0, 845.0)  # squares out of tune with each other
CLAP_HANDS_S = (0.0, 0.0105, 0.0215, 0.0310)


# --- pieces that every instrument uses ---


def pitch_hz(note: str) -> float:
    """Return the frequency in Hz of a note such as "e3", equal tempered with a4 at 440 Hz."""
    octaves = int(note[1:]) - 4 + SEMITONES[note[0]] / 12
    return float(440.0 * 2.0**octaves)


def times(seconds: float) -> Sound:
    """Return the time in seconds of each sample of a sound that lasts `seconds`."""
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def decay(t: Sound, t60: float) -> Sound:
    """Return an envelope over the times `t` that starts at 1 and falls by 60 dB in `t60` seconds; 0 before time 0."""
    return np.where(t < 0.0, 0.0, np.exp(-np.log(1000.0) * np.maximum(t, 0.0) / t60))


def band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    """Return the part of `sound` between two frequencies in Hz, with slopes of 12 dB an octave and no delay."""
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    highpass = hz**2 / (hz**2 + low_hz**2)
    lowpass = 1 / (1 + (hz / high_hz) ** 2)
    return np.fft.irfft(np.fft.rfft(sound) * highpass * lowpass, len(sound))


def rms(sound: Sound) -> float:
    """Return the loudness of `sound` as its root mean square, in its own units."""
    return float(np.sqrt(np.mean(sound**2)))


def mix(sounds: list[Sound]) -> Sound:
    """Return the sum of sounds of one length."""
    total: Sound = np.sum(sounds, axis=0)
    return total


def noise(t: Sound, low_hz: float, high_hz: float, rng: Generator) -> Sound:
    """Return white noise over the times `t`, limited to a band in Hz and scaled to an RMS of 1."""
    limited = band(rng.standard_normal(len(t)), low_hz, high_hz)
    return limited / rms(limited)


def convolve(sound: Sound, response: Sound) -> Sound:
    """Return `sound` as heard through a body or room with this impulse response, no longer than it was."""
    size = len(sound) + len(response)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]


def finish(sound: Sound) -> Sound:
    """Return `sound` with soft ends, without DC and with its peak at -1 dBFS."""
    t = np.arange(len(sound))
    fade_out = (len(sound) - 1 - t) / (FADE_OUT_SHARE * len(sound))
    window = np.clip(t / (FADE_IN_S * SAMPLE_RATE), 0, 1) * np.sin(np.pi / 2 * np.clip(fade_out, 0, 1)) ** 2
    faded: Sound = sound * window
    faded -= window * faded.sum() / window.sum()
    return faded * PEAK / float(np.abs(faded).max())


# --- bells ---


def beating_partial(t: Sound, hz: float, t60: float, rng: Generator) -> Sound:
    """Return one bell partial at `hz`: a pair of modes about 1 Hz apart, since no bell is perfectly round."""
    apart_hz = rng.uniform(0.6, 1.6)
    strong = np.sin(2 * np.pi * (hz * t + rng.uniform()))
    weak = np.sin(2 * np.pi * ((hz + apart_hz) * t + rng.uniform()))
    return (0.8 * strong + 0.2 * weak) * decay(t, t60)


def bell(note: str, rng: Generator) -> Sound:
    """Return two seconds of a bell struck on `note`: inharmonic partials, the high ones gone first, and the clapper."""
    t, strike_hz = times(2.0), pitch_hz(note)
    ring = (pitch_hz("c5") / strike_hz) ** 0.35  # small bells ring shorter
    clapper = 0.25 * noise(t, 2_500, 9_000, rng) * decay(t, 0.025)
    partials = [lvl * beating_partial(t, strike_hz * r, ring * t60, rng) for r, lvl, t60 in BELL_PARTIALS]
    return clapper + mix(partials)


# --- plucks ---


def string_taps(delay: float, damping: float) -> Sound:
    """Return the taps of a string's loop: `delay` samples (1 to 2, by cubic Lagrange) and then a damping average."""
    points = np.arange(4)
    cubic = [np.prod([(delay - k) / (n - k) for k in points if k != n]) for n in points]
    return np.convolve(cubic, [damping / 2, 1 - damping, damping / 2])


def string(hz: float, excitation: Sound, t60: float, damping: float) -> Sound:
    """Return a Karplus-Strong string at `hz` that `excitation` sets moving, as long as the excitation."""
    period = SAMPLE_RATE / hz - 1.0  # the damping average itself is one sample late
    whole = int(period) - 1
    taps = string_taps(period - whole, damping) * 10 ** (-3 / (hz * t60))
    reach = len(taps) - 1
    out = np.concatenate([np.zeros(whole + reach), excitation])
    for start in range(whole + reach, len(out), whole):
        block = out[start : start + whole]  # a view: one turn of the string, made of the turn before
        past = out[start - whole - reach : start - whole + len(block)]
        block += np.convolve(past, taps, "valid")
    return out[whole + reach :]


def finger(t: Sound, hz: float, rng: Generator) -> Sound:
    """Return what a finger gives a string tuned to `hz`: a push and a little noise, a fifth of the way along it."""
    turns = t * hz
    pushes = [np.exp(-(((turns - 0.4) / width) ** 2)) for width in FINGER_WIDTHS]
    grit = 0.12 * noise(t, 60, 6_000, rng) * pushes[0]
    push = mix([*pushes, grit])
    away = round(0.21 * SAMPLE_RATE / hz)
    reflected: Sound = np.concatenate([np.zeros(away), push[:-away]])
    return push - reflected


def guitar_body() -> Sound:
    """Return the impulse response of a guitar body: the string itself and the wood's resonances."""
    t = times(0.3)
    wood = [level * np.cos(2 * np.pi * hz * t) * decay(t, t60) for hz, level, t60 in BODY_MODES]
    response = 0.02 * mix(wood)
    response[0] += 1.0
    return response


def pluck(note: str, rng: Generator) -> Sound:
    """Return two seconds of a nylon string plucked on `note`, swinging in two planes that decay at their own pace."""
    t, hz = times(2.0), pitch_hz(note)
    excitation = finger(t, hz, rng)
    ring = (pitch_hz("c4") / hz) ** 0.4
    across = string(hz, excitation, 3.6 * ring, 0.14)
    upright = string(hz * 1.0007, excitation, 1.5 * ring, 0.22)
    return band(convolve(0.6 * across + 0.4 * upright, guitar_body()), 45, 12_000)


# --- drums ---


def room(sound: Sound, wet: float, rng: Generator) -> Sound:
    """Return `sound` with the small room of the drum kit around it, `wet` being the room's share of loudness."""
    t = times(0.5)
    tail = noise(t, 250, 6_000, rng) * decay(t - 0.004, 0.45)
    return sound + wet * convolve(sound, tail / np.sqrt(np.sum(tail**2)))


def skin(t: Sound, hz: float, bend_hz: float, bend_s: float, t60: float) -> Sound:
    """Return a drum skin that settles on `hz` from `bend_hz` above it within about `bend_s` seconds."""
    turns = hz * t + bend_hz * bend_s * (1 - np.exp(-t / bend_s))
    modes = [level * np.sin(2 * np.pi * ratio * turns) * decay(t, t60 * ring) for ratio, level, ring in SKIN_MODES]
    return mix(modes)


def kick(rng: Generator) -> Sound:
    """Return a bass drum: a low sine that falls from the beater's blow, and the beater's click."""
    t = times(0.8)
    turns = 47 * t + 210 * 0.022 * (1 - np.exp(-t / 0.022))
    boom = np.sin(2 * np.pi * turns) * decay(t, 0.95)
    click = 0.22 * noise(t, 1_200, 6_000, rng) * decay(t, 0.02)
    return room(np.tanh(1.6 * boom) + click, 0.06, rng)


def tom(hz: float, rng: Generator) -> Sound:
    """Return a tom tuned to `hz`: a bending skin and the stick on it."""
    t = times(1.0)
    stick = 0.11 * noise(t, 600, 5_000, rng) * decay(t, 0.04)
    return room(skin(t, hz, 0.45 * hz, 0.05, 1.2 * (110 / hz) ** 0.5) + stick, 0.12, rng)


def snare(rng: Generator) -> Sound:
    """Return a snare drum: a short skin, and wires that rattle on after it."""
    t = times(0.8)
    wires = noise(t, 1_800, 9_000, rng) * (0.40 * decay(t, 0.09) + 0.22 * decay(t, 0.55))
    return room(skin(t, 186, 90, 0.012, 0.28) + wires, 0.15, rng)


def cymbal(t: Sound, rng: Generator) -> Sound:
    """Return the steady shimmer of a cymbal: clashing squares and noise, high-passed, with an RMS near 1."""
    squares = [np.sign(np.sin(2 * np.pi * (hz * t + rng.uniform()))) for hz in CYMBAL_HZ]
    metal = band(band(mix(squares), 7_000, 15_000), 5_000, 20_000)
    return 0.75 * metal / rms(metal) + 0.5 * noise(t, 6_000, 14_000, rng)


def hat(seconds: float, t60: float, rng: Generator) -> Sound:
    """Return a hi-hat of this length that falls by 60 dB in `t60` seconds after a sharp stick."""
    t = times(seconds)
    envelope = decay(t, t60) + 0.8 * decay(t, 0.03)
    return room(cymbal(t, rng) * envelope, 0.10, rng)


def clap(rng: Generator) -> Sound:
    """Return a hand clap: four hands within a thirtieth of a second, and their echo."""
    t = times(0.7)
    hands = mix([decay(t - start, 0.035) for start in CLAP_HANDS_S])
    echo = 0.45 * decay(t - CLAP_HANDS_S[-1], 0.30)
    return room(noise(t, 950, 2_600, rng) * (hands + echo), 0.30, rng)


def rim(rng: Generator) -> Sound:
    """Return a stick laid across the snare and knocked on its rim: two short wooden tones and a click."""
    t = times(0.6)
    wood = np.sin(2 * np.pi * 1_720 * t) * decay(t, 0.09) + 0.7 * np.sin(2 * np.pi * 515 * t) * decay(t, 0.15)
    return room(wood + 0.3 * noise(t, 2_000, 8_000, rng) * decay(t, 0.015), 0.25, rng)


# --- the set ---

RECIPES: dict[str, Recipe] = {
    **{f"bell_{note}": partial(bell, note) for note in ("g4", "c5", "e5", "g5", "c6")},
    **{f"pluck_{note}": partial(pluck, note) for note in ("e3", "a3", "c4", "e4", "a4")},
    "kick_deep": kick,
    "snare_crisp": snare,
    "tom_low": partial(tom, 92.0),
    "tom_high": partial(tom, 148.0),
    "hat_closed": partial(hat, 0.6, 0.22),
    "hat_open": partial(hat, 1.0, 1.1),
    "clap_room": clap,
    "rim_wood": rim,
}


def synthesize(name: str) -> Sound:
    """Return the finished sound of a recipe, in -1 to 1; the same name gives the same sound every time."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    return finish(RECIPES[name](rng))


def write_sounds(folder: Path) -> list[Path]:
    """Write every sound into `folder`, which is made if need be, and return the files' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.flac" for name in RECIPES]
    for path in paths:
        samples = np.round(synthesize(path.stem) * 32_767).astype(np.int16)
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return paths


def main() -> None:
    """Write the sounds into the folder named on the command line, or else next to this script."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sounds"
    paths = write_sounds(folder)
    print(f"{len(paths)} sounds, {sum(path.stat().st_size for path in paths) / 1e6:.2f} MB, in {folder}")


if __name__ == "__main__":
    main()
