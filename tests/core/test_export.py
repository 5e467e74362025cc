"""Sound as files: what soundfile, sox and ffprobe read from them, how loud they are, and how their chunks lie."""

from __future__ import annotations

import io
import json
import math
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.export import Tags, at_rate, encode_sound, recode_sound
from distill_core.audio.riff import chunks_of
from distill_core.audio.sound_format import Container, SoundFormat, Subtype
from distill_core.audio.true_peak import LOUDEST, safe_gain, true_peak
from distill_core.errors import ConfigError

TAGS = Tags("Bässe, seed 41", "Bässe", "--seconds 5 --seed 41", "Distill 1.0")
FORMS = [
    SoundFormat(container, subtype, rate)
    for container in Container
    for subtype in Subtype
    for rate in (44_100, 48_000)
    if container is Container.WAV or subtype is not Subtype.FLOAT
]
needs = {
    name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
    for name in ("sox", "ffprobe")
}
SFC_GET_CUE_COUNT, SFC_GET_INSTRUMENT, SF_LOOP_FORWARD = 0x10CD, 0x10D0, 801  # of sndfile.h


def _noise(length: int, peak: float = 0.5, seed: int = 0) -> Tensor:
    return (torch.rand(length, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * peak


def _sine(length: int, cycles: float, phase: float = 0.0) -> Tensor:
    return torch.sin(2 * math.pi * cycles * torch.arange(length).double() / length + phase).float()


def _read(data: bytes) -> Tensor:
    return torch.from_numpy(soundfile.read(io.BytesIO(data), dtype="float32")[0])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_soundfile_reads_what_was_written(form: SoundFormat) -> None:
    encoded = encode_sound(_noise(4801), 48_000, form, TAGS)
    with soundfile.SoundFile(io.BytesIO(encoded.data)) as sound:
        assert (sound.format, sound.subtype) == (form.container.name, form.subtype.value)
        assert (sound.samplerate, sound.channels) == (form.sample_rate, 1)
        assert sound.frames == encoded.frames == round(4801 * form.sample_rate / 48_000)
        assert (sound.title, sound.album, sound.comment) == (TAGS.title, TAGS.album, TAGS.comment)
        assert sound.software.startswith(TAGS.software)
        assert sound.copy_metadata().keys() == {"title", "album", "comment", "software"}  # and no date


@pytest.mark.parametrize("subtype", Subtype)
def test_a_quiet_sound_stays_as_it_is_to_the_nearest_number(subtype: Subtype) -> None:
    waveform_T = _noise(2000, 0.3)
    encoded = encode_sound(waveform_T, 48_000, SoundFormat(subtype=subtype))
    assert encoded.gain == 1
    half_a_step = {"PCM_16": 2**-16, "PCM_24": 2**-24, "FLOAT": 0.0}[subtype]
    assert (_read(encoded.data).double() - waveform_T.double()).abs().max() <= half_a_step


def _json_of(*command: str | Path) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@needs["ffprobe"]
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_ffprobe_reads_rate_length_depth_and_tags(form: SoundFormat, tmp_path: Path) -> None:
    path = tmp_path / f"take.{form.container}"
    path.write_bytes(encode_sound(_noise(4801), 48_000, form, TAGS, is_loop=True).data)
    facts = _json_of("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path)
    (stream,), tags = facts["streams"], facts["format"]["tags"]
    depth = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}[form.subtype]
    assert int(stream.get("bits_per_raw_sample") or stream["bits_per_sample"] or 16) == depth
    assert (int(stream["sample_rate"]), stream["channels"]) == (form.sample_rate, 1)
    assert float(stream["duration"]) == pytest.approx(4801 / 48_000, abs=1 / form.sample_rate)
    known = {name.lower(): text for name, text in tags.items()}
    assert (known["title"], known["album"], known["comment"]) == (TAGS.title, TAGS.album, TAGS.comment)


@needs["sox"]
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_sox_reads_the_same_without_a_warning(form: SoundFormat, tmp_path: Path) -> None:
    path = tmp_path / f"take.{form.container}"
    encoded = encode_sound(_noise(4801), 48_000, form, TAGS, is_loop=True)
    path.write_bytes(encoded.data)
    asked = [
        subprocess.run(["sox", "--info", flag, path], capture_output=True, text=True, check=True)
        for flag in ("-r", "-s", "-c", "-b")
    ]
    depth = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}[form.subtype]
    assert [int(run.stdout) for run in asked] == [form.sample_rate, encoded.frames, 1, depth]
    decoded = subprocess.run(["sox", path, "-t", "f32", "-"], capture_output=True, check=True)
    assert not decoded.stderr
    assert not any(run.stderr for run in asked)
    assert torch.allclose(torch.from_numpy(np.frombuffer(decoded.stdout, "<f4").copy()), _read(encoded.data), atol=1e-6)


def _parsed(data: bytes) -> dict[bytes, bytes]:
    """Walk a WAV file by the letter of its format, and return its chunks."""
    assert (data[:4], data[8:12]) == (b"RIFF", b"WAVE")
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    place, found = 12, {}
    while place < len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        assert name not in found
        found[name] = data[place + 8 : place + 8 + size]
        assert len(found[name]) == size
        assert data[place + 8 + size : place + 8 + size + size % 2] in (b"", b"\0")
        place += 8 + size + size % 2
    assert place == len(data)
    return found


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 300),
    subtype=st.sampled_from(Subtype),
    is_loop=st.booleans(),
    title=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
)
def test_the_chunks_of_a_wav_file_lie_as_the_format_wants(
    length: int, subtype: Subtype, is_loop: bool, title: str
) -> None:
    form = SoundFormat(subtype=subtype)
    chunks = _parsed(encode_sound(_noise(length), 48_000, form, Tags(title=title), is_loop=is_loop).data)
    assert next(iter(chunks)) == b"fmt "
    assert len(chunks[b"data"]) == length * subtype.bytes
    assert len(chunks[b"fmt "]) == (18 if subtype is Subtype.FLOAT else 16)
    assert b"PEAK" not in chunks  # it holds the time of writing
    assert ({b"smpl", b"cue "} <= chunks.keys()) is is_loop
    if is_loop:
        values = struct.unpack("<15I", chunks[b"smpl"])
        assert values[2] == 20_833  # nanoseconds of a sample
        assert values[7] == 1
        assert values[9:] == (1, 0, 0, length - 1, 0, 0)
        assert struct.unpack("<3I4s3I", chunks[b"cue "]) == (1, 1, 0, b"data", 0, 0, 0)


def _asked(data: bytes, question: int, size: int) -> bytes | None:
    """Return libsndfile's answer about a file, None where it has none."""
    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        answer = soundfile._ffi.new("char[]", size)
        found = soundfile._snd.sf_command(sound._file, question, answer, size)
        return bytes(soundfile._ffi.buffer(answer)) if found else None


def test_another_reader_finds_the_loop_that_a_sampler_plays() -> None:
    data = encode_sound(_noise(1000), 48_000, is_loop=True).data
    instrument = _asked(data, SFC_GET_INSTRUMENT, 272)  # SF_INSTRUMENT of sndfile.h
    assert instrument is not None
    note, loops, mode, start, end, times = struct.unpack_from("<4xb7x5i", instrument)
    assert (note, loops, mode, start, times) == (60, 1, SF_LOOP_FORWARD, 0, 0)
    assert end == 1000  # the first frame after it
    assert _asked(data, SFC_GET_CUE_COUNT, 4) == struct.pack("<i", 1)
    assert _asked(encode_sound(_noise(1000), 48_000).data, SFC_GET_INSTRUMENT, 272) is None


def test_chunks_of_odd_length_are_read_back() -> None:
    data = encode_sound(_noise(101), 48_000, tags=Tags(title="ab"), is_loop=True).data
    assert dict(chunks_of(data)) == _parsed(data)


def test_flac_holds_no_loop_and_says_so() -> None:
    assert SoundFormat().holds_loops
    assert not SoundFormat(Container.FLAC).holds_loops
    plain, loop = (encode_sound(_noise(99), 48_000, SoundFormat(Container.FLAC), is_loop=on) for on in (False, True))
    assert plain.data == loop.data


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_same_sound_gives_the_same_bytes(form: SoundFormat) -> None:
    first, second = (encode_sound(_noise(3000), 48_000, form, TAGS, is_loop=True).data for _ in range(2))
    assert first == second


def test_the_true_peak_lies_between_the_samples() -> None:
    waveform_T = _sine(48_000, 12_000, math.pi / 4)
    assert waveform_T.abs().max() == pytest.approx(math.sqrt(0.5), abs=1e-3)
    assert true_peak(waveform_T, is_loop=True) == pytest.approx(1.0, abs=1e-3)
    assert true_peak(torch.zeros(0)) == 0


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, (1 << 17) - 1, 1 << 17, (1 << 17) + 1])
def test_the_true_peak_is_found_wherever_it_is(length: int) -> None:
    for place in {0, length // 2, length - 1}:
        waveform_T = torch.zeros(length)
        waveform_T[place] = -0.5
        assert true_peak(waveform_T) == pytest.approx(0.5, abs=1e-3)


def _peak_by_fourier(waveform_T: Tensor) -> float:
    padded_T = torch.nn.functional.pad(waveform_T.double(), (2048, 2048))
    length = 16 * len(padded_T)
    return 16 * float(torch.fft.irfft(torch.fft.rfft(padded_T), n=length).abs().max())


@settings(deadline=None, max_examples=25)
@given(cycles=st.floats(1, 1800), phase=st.floats(0, 6.3), peak=st.floats(0.1, 20))
def test_the_true_peak_of_tones_up_to_18_khz_is_read_to_a_third_of_a_decibel(
    cycles: float, phase: float, peak: float
) -> None:
    waveform_T = _sine(4800, cycles, phase) * torch.hann_window(4800) * peak
    assert 20 * abs(math.log10(true_peak(waveform_T) / _peak_by_fourier(waveform_T))) < 0.35


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("sound", ["noise", "square", "tone"])
def test_what_a_reader_gets_is_no_louder_than_promised(form: SoundFormat, sound: str) -> None:
    square_T = _sine(44_100, 441).sign()
    waveform_T = {"noise": _noise(44_100, 3.0), "square": square_T, "tone": _sine(44_100, 11_025, math.pi / 4)}[sound]
    encoded = encode_sound(waveform_T, 44_100, form)
    assert encoded.gain < 1
    peak_db = 20 * math.log10(true_peak(_read(encoded.data)))
    assert -1.01 < peak_db <= -1.0


def test_a_lower_gain_than_needed_is_kept() -> None:
    assert safe_gain(_noise(1000, 0.3)) == 1
    assert safe_gain(torch.full((1000,), -2.0)) < LOUDEST / 2
    huge_T = torch.full((1000,), 1e9)
    assert 0.7 < safe_gain(huge_T) * 1e9 < LOUDEST  # lowered, and not silenced
    assert encode_sound(_noise(1000, 0.3), 48_000, gain=0.25).gain == 0.25
    assert encode_sound(_noise(1000, 3.0), 48_000, gain=0.9).gain < 0.4


def test_silence_and_nothing_are_files_too() -> None:
    for length in (0, 1, 10):
        encoded = encode_sound(torch.zeros(length), 48_000, is_loop=True)
        assert (encoded.gain, encoded.frames) == (1.0, length)
        assert len(_read(encoded.data)) == length


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 3000),
    source=st.integers(8_000, 192_000),
    target=st.integers(8_000, 192_000),
    is_loop=st.booleans(),
)
def test_another_rate_keeps_the_length_to_the_nearest_sample(
    length: int, source: int, target: int, is_loop: bool
) -> None:
    resampled_T = at_rate(_noise(length), source, target, is_loop)
    assert len(resampled_T) == max(1, round(length * target / source))
    assert bool(resampled_T.isfinite().all())


@pytest.mark.parametrize(("source", "target"), [(44_100, 48_000), (48_000, 44_100), (22_050, 48_000), (48_000, 96_000)])
def test_a_loop_is_still_one_at_another_rate(source: int, target: int) -> None:
    resampled_T = at_rate(_sine(source // 10, 40, 0.3), source, target, is_loop=True)
    assert torch.allclose(resampled_T, _sine(target // 10, 40, 0.3), atol=1e-5)


def test_a_sound_that_was_encoded_is_written_again_sample_by_sample(tmp_path: Path) -> None:
    wav = tmp_path / "take.wav"
    for subtype in (Subtype.PCM_16, Subtype.PCM_24):
        encoded = encode_sound(_noise(3000, 4.0), 48_000, SoundFormat(subtype=subtype), TAGS, is_loop=True)
        wav.write_bytes(encoded.data)
        assert recode_sound(wav, Container.WAV, TAGS, is_loop=True) == encoded.data
        assert torch.equal(_read(recode_sound(wav, Container.FLAC, Tags())), _read(encoded.data))


def test_what_is_no_sound_of_ours_is_not_written_again(tmp_path: Path) -> None:
    for content in (None, b"", b"RIFF", b"\0" * 100):
        path = tmp_path / "odd.wav"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UnreadableSoundError):
            recode_sound(path, Container.WAV, Tags())
    soundfile.write(path, np.zeros(10), 8000, subtype="PCM_U8")
    with pytest.raises(UnreadableSoundError):
        recode_sound(path, Container.WAV, Tags())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((Container.FLAC, Subtype.FLOAT), "subtype"),
        ((Container.WAV, Subtype.PCM_24, 7_999), "rate"),
        ((Container.WAV, Subtype.PCM_24, 192_001), "rate"),
    ],
)
def test_impossible_formats_are_refused_by_name(values: tuple[Any, ...], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SoundFormat(*values)
    assert refused.value.field == field
