"""Files as recorders, editors, phones and accidents leave them: what is in them is read, or they are named."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill_core import scan
from distill_core.audio.dataset import AudioFile
from distill_core.audio.decoding import ffmpeg
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.decoding.sound import open_sound
from distill_core.audio.measure import measure_sound
from distill_core.errors import DatasetError
from distill_core.events import Stopped, never

RATE = 44_100


@pytest.fixture
def samples() -> np.ndarray:
    """Three seconds of stereo whose first half is quiet, so that its first frames tell a wrong bit rate."""
    seconds_T1 = np.arange(3 * RATE)[:, None] / RATE
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, (3 * RATE, 2)) * (seconds_T1 > 1.5)
    return (0.3 * np.sin(2 * np.pi * 440 * seconds_T1) + noise).astype(np.float32)


def decoded(path: Path) -> np.ndarray:
    """Return `[frames, channels]`."""
    with open_sound(path) as sound:
        return np.concatenate([block.T for block in sound.blocks])


def only(folder: Path) -> AudioFile:
    (file,) = scan(folder).files
    return file


def reason(folder: Path) -> str:
    """Return why the one file of a folder is not used."""
    with pytest.raises(DatasetError) as caught:
        scan(folder)
    return caught.value.message


def encode(source: Path, target: Path, *options: str) -> Path:
    """Write what no library here writes, with the same program that reads it."""
    program = ffmpeg.find_ffmpeg()
    assert program is not None, "the extra `test` brings one"
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [program, "-nostdin", "-loglevel", "error", "-y", "-i", str(source), *options, os.fsencode(target)]
    subprocess.run(command, check=True)
    return target


def without_ffmpeg(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """Let there be no ffmpeg on this computer."""
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(ffmpeg, "_MORE_FOLDERS", ())
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(ffmpeg, "bundled", ffmpeg.bundled.__wrapped__)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sounds"
    made.mkdir()
    return made


# ---- lengths that headers get wrong


def without_first_frame(path: Path) -> None:
    """Remove the frame with the Xing header, which alone knows how long an MP3 is."""
    content = path.read_bytes()
    place = content.index(b"Xing")
    path.write_bytes(content[content.index(content[:2], place) :])


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (44_100, 2), (22_050, 1), (48_000, 2)])
def test_an_mp3_of_variable_rate_without_a_header_is_read_whole(folder, samples, rate, channels):
    path = folder / "x.mp3"
    soundfile.write(path, samples[:, :channels], rate, bitrate_mode="VARIABLE", compression_level=0.5)
    whole = len(decoded(path))
    without_first_frame(path)
    file = only(folder)
    assert file.duration_s * rate == pytest.approx(whole, abs=3 * 1152)
    assert file.note == ""


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_a_whole_mp3_has_no_note(folder, samples, mode):
    soundfile.write(folder / "x.mp3", samples, RATE, bitrate_mode=mode)
    assert only(folder).note == ""
    assert only(folder).duration_s == pytest.approx(3.0, abs=0.05)


def test_two_mp3s_put_together_are_read_to_the_end(folder, samples):
    soundfile.write(folder / "x.mp3", samples, RATE)
    (folder / "x.mp3").write_bytes((folder / "x.mp3").read_bytes() * 2)
    file = only(folder)
    assert file.duration_s == pytest.approx(6.0, abs=0.2)
    assert "its header says 3." in file.note


def test_what_is_damaged_within_an_mp3_is_left_out_and_told(folder, samples):
    soundfile.write(folder / "x.mp3", samples, RATE, bitrate_mode="CONSTANT")
    content = (folder / "x.mp3").read_bytes()
    middle = len(content) // 2
    (folder / "x.mp3").write_bytes(content[:middle] + bytes(len(content) // 10) + content[middle:])
    file = only(folder)
    assert file.duration_s == pytest.approx(3.0, abs=0.1)
    assert "are damaged and left out" in file.note


def test_an_mp3_that_begins_within_a_frame_and_has_tags_is_read(folder, samples):
    soundfile.write(folder / "x.mp3", samples, RATE, bitrate_mode="CONSTANT")
    content = (folder / "x.mp3").read_bytes()
    picture = b"ID3\x04\x00\x00\x00\x0c\x00\x00" + bytes(range(1, 256)) * 771 + b"\x01" * 3  # 196,608 bytes
    (folder / "x.mp3").write_bytes(picture + b"\x55" * 99 + content + b"TAG" + bytes(125))
    assert only(folder).duration_s == pytest.approx(3.0, abs=0.1)
    assert only(folder).note == ""


@pytest.mark.parametrize("name", ["x.ogg", "x.opus"])
def test_all_links_of_a_chained_ogg_are_read(folder, samples, name):
    encoding = {"x.ogg": "VORBIS", "x.opus": "OPUS"}[name]
    soundfile.write(folder / name, samples, 48_000, format="OGG", subtype=encoding)
    one = decoded(folder / name)
    (folder / name).write_bytes((folder / name).read_bytes() * 3)
    assert np.array_equal(decoded(folder / name), np.concatenate([one] * 3))
    assert only(folder).note == ""


def test_a_link_of_another_rate_is_left_out_and_told(folder, samples):
    for rate, name in [(RATE, "a.ogg"), (22_050, "b.ogg")]:
        soundfile.write(folder / name, samples, rate, format="OGG", subtype="VORBIS")
    (folder / "x.ogg").write_bytes((folder / "a.ogg").read_bytes() + (folder / "b.ogg").read_bytes())
    found = {file.name: file for file in scan(folder).files}
    assert found["x.ogg"].duration_s == pytest.approx(3.0, abs=0.01)
    assert "6.00 s of it have another rate" in found["x.ogg"].note


def patched(path: Path, *changes: tuple[int, bytes]) -> Path:
    content = bytearray(path.read_bytes())
    for position, new in changes:
        content[position : position + len(new)] = new
    path.write_bytes(content)
    return path


def place_of(path: Path, name: bytes) -> int:
    return path.read_bytes().index(name)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM"])
@pytest.mark.parametrize("sizes", ["both", "data"])
def test_an_unfinished_wav_is_read_to_its_end_and_told(folder, samples, subtype, sizes):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE, subtype=subtype)
    whole = decoded(path)
    zero = bytes(4)
    patched(path, (place_of(path, b"data") + 4, zero), *[(4, zero)] * (sizes == "both"))
    assert np.array_equal(decoded(path), whole)
    assert only(folder).note == f"its header says 0.00 s; all {len(whole) / RATE:.2f} s that are there were read"


def test_a_wav_whose_sizes_were_written_too_early_is_read_to_its_end(folder, samples):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE)
    patched(path, (4, struct.pack("<I", 36 + RATE * 4)), (40, struct.pack("<I", RATE * 4)))
    assert only(folder).duration_s == pytest.approx(3.0)
    assert "its header says 1.00 s" in only(folder).note


@pytest.mark.parametrize("tail", [b"LIST\x1a\0\0\0INFO" + bytes(22), b"TAG" + bytes(125), bytes(40_000)])
def test_what_follows_a_wavs_samples_is_no_sound(folder, samples, tail):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE)
    path.write_bytes(path.read_bytes() + tail)
    assert only(folder).duration_s == 3.0
    assert only(folder).note == ""


@pytest.mark.parametrize("claim", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_stream_whose_length_nobody_knew_has_no_note(folder, samples, claim):
    soundfile.write(folder / "x.wav", samples, RATE)
    patched(folder / "x.wav", (4, struct.pack("<I", claim)), (40, struct.pack("<I", claim)))
    assert (only(folder).duration_s, only(folder).note) == (3.0, "")


@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.caf", "x.mp3", "x.flac"])
def test_a_file_cut_short_says_how_much_of_it_is_used(folder, samples, name):
    soundfile.write(folder / name, samples, RATE)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    file = only(folder)
    assert 0.5 < file.duration_s < 2.5
    assert file.note.startswith(f"only {file.duration_s:.2f} s of ")


def test_a_flac_whose_header_counts_too_few_is_read_whole(folder, samples):
    path = folder / "x.flac"
    soundfile.write(path, samples, RATE)
    whole = decoded(path)
    patched(path, (22, struct.pack(">I", RATE)))
    assert np.array_equal(decoded(path), whole)
    assert "its header says 1.00 s" in only(folder).note


@pytest.mark.parametrize(("name", "tag"), [("x.ogg", 0x674F), ("x.mp3", 0x55)])
def test_a_stream_of_another_kind_in_a_wav_is_read(folder, tmp_path, samples, name, tag):
    soundfile.write(tmp_path / name, samples, RATE)
    stream = (tmp_path / name).read_bytes()
    stream += bytes(len(stream) % 2)
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, tag, 2, RATE, 11_000, 1, 16)
    wave = b"WAVE" + fmt + b"data" + struct.pack("<I", len(stream)) + stream
    (folder / "x.ogg").write_bytes(b"RIFF" + struct.pack("<I", len(wave)) + wave)
    assert np.array_equal(decoded(folder / "x.ogg"), decoded(tmp_path / name))
    assert only(folder).note == ""


def bw64(path: Path, samples: np.ndarray) -> None:
    """Write what an ADM export looks like: BW64 with its sizes in ds64, and chunks that others do not know."""
    pcm = (samples * 32_767).astype("<i2").tobytes()
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, samples.shape[1], RATE, RATE * 4, 4, 16)
    chna = b"chna" + struct.pack("<IHH", 4, 0, 0)
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 4 + 36 + len(fmt) + len(chna) + 8 + len(pcm), len(pcm), 0, 0)
    unknown = b"\xff" * 4
    path.write_bytes(b"BW64" + unknown + b"WAVE" + ds64 + fmt + chna + b"data" + unknown + pcm)


def test_bw64_is_read(folder, samples):
    bw64(folder / "x.wav", samples)
    np.testing.assert_allclose(decoded(folder / "x.wav"), samples, atol=1e-4)
    assert only(folder).note == ""


@pytest.mark.parametrize(
    ("name", "chunk", "size", "begin", "entry"),
    [("x.wav", b"PEAK", "<I", 8, 8), ("x.aifc", b"PEAK", ">I", 8, 8), ("x.caf", b"peak", ">q", 4, 12)],
)
@pytest.mark.parametrize("entries", [0, 1, 3])
def test_a_wrong_peak_chunk_is_no_damage(folder, samples, name, chunk, size, begin, entry, entries, monkeypatch):
    path, kind = folder / name, {"x.aifc": "AIFF"}.get(name)
    soundfile.write(path, samples, RATE, format=kind, subtype="FLOAT")
    content, place = path.read_bytes(), place_of(path, chunk)
    width = struct.calcsize(size)
    length = struct.unpack(size, content[place + 4 : place + 4 + width])[0]
    wrong = chunk + struct.pack(size, begin + entry * entries) + bytes(begin + entry * entries)
    path.write_bytes(content[:place] + wrong + content[place + 4 + width + length :])
    without_ffmpeg(monkeypatch, folder)
    assert np.array_equal(decoded(path), samples)
    assert only(folder).note == ""


def test_a_chunk_of_odd_length_that_was_not_filled_up_is_passed(folder, samples):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE)
    content = path.read_bytes()
    path.write_bytes(content[:36] + b"note" + struct.pack("<I", 3) + b"abc" + content[36:])
    np.testing.assert_allclose(decoded(path), samples, atol=1e-4)


def test_more_than_four_gigabytes_are_read_to_their_end(folder):
    path = folder / "x.wav"
    soundfile.write(path, np.full((4, 1), 0.5), 1_000_000, subtype="DOUBLE")  # as few samples as there can be
    start, size = place_of(path, b"data") + 8, 2**32 + 2**20
    patched(path, (4, bytes(4)), (start - 4, bytes(4)))
    with path.open("r+b") as file:  # a hole on the disk
        file.truncate(start + size)
        file.seek(start + size - 8)
        file.write(struct.pack("<d", 0.5))
    if path.stat().st_blocks * 512 > 2**25:
        pytest.skip("this disk keeps no holes")
    with open_sound(path) as sound:
        frames = sum(block.shape[1] for block in sound.blocks)
    assert frames == size // 8


def test_a_caf_that_lasts_to_the_end_of_the_file_is_read(folder, samples):
    path = folder / "x.caf"
    soundfile.write(path, samples, RATE)
    patched(path, (place_of(path, b"data") + 4, b"\xff" * 8))
    np.testing.assert_allclose(decoded(path)[: len(samples)], samples, atol=1e-4)


def test_an_au_without_its_size_is_read(folder, samples):
    soundfile.write(folder / "x.au", samples, RATE)
    patched(folder / "x.au", (8, bytes(4)))
    np.testing.assert_allclose(decoded(folder / "x.au"), samples, atol=1e-4)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050])
def test_what_an_encoder_adds_to_a_whole_mp3_is_no_loss(folder, samples, rate, mode):
    soundfile.write(folder / "x.mp3", samples[: 3 * rate, :1], rate, bitrate_mode=mode)
    assert only(folder).note == ""


@pytest.mark.parametrize(
    "tail", [bytes(100_000), b"\x55" * 50_000, b"TAG+" + bytes(223) + b"TAG" + bytes(125), b"LYRICSBEGIN" + bytes(4000)]
)
def test_what_follows_the_last_frame_is_no_damage(folder, samples, tail):
    soundfile.write(folder / "x.mp3", samples, RATE)
    (folder / "x.mp3").write_bytes((folder / "x.mp3").read_bytes() + tail)
    assert (only(folder).note, round(only(folder).duration_s, 1)) == ("", 3.0)


def test_frames_of_other_channels_are_left_out_and_told(folder, samples):
    soundfile.write(folder / "mono.mp3", samples[:, :1], RATE)
    soundfile.write(folder / "stereo.mp3", samples, RATE)
    (folder / "x.mp3").write_bytes((folder / "mono.mp3").read_bytes() + (folder / "stereo.mp3").read_bytes())
    (file,) = [file for file in scan(folder).files if file.name == "x.mp3"]
    assert "3.06 s of it have another rate or other channels and are left out" in file.note


def test_frames_that_only_seem_some_are_passed(folder, samples):
    soundfile.write(folder / "x.mp3", samples, RATE)
    seeming = b"\xff\xf3\x14\xc0" + b"\xff" * 20
    (folder / "x.mp3").write_bytes(seeming * 2 + b"x" + (folder / "x.mp3").read_bytes())
    assert only(folder).duration_s == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    "content", [((b"\xff\xf3\x14\xc0" + b"\xff" * 20) * 5 + b"x") * 20_000, b"ID3\4\0\0\0\0\0\0" * 400_000]
)
def test_an_mp3_made_to_be_searched_for_ever_can_be_stopped(folder, content):
    (folder / "x.mp3").write_bytes(content)
    looks = []
    try:
        with open_sound(folder / "x.mp3", lambda: bool(looks.append(1))) as sound:
            assert sound.channels
    except UnreadableSoundError:
        return  # nothing but tags: given up
    assert len(looks) > len(content) // 2**20


def test_a_long_mp3_can_be_stopped_while_its_frames_are_counted(folder, samples):
    soundfile.write(folder / "x.mp3", samples, RATE)
    (folder / "x.mp3").write_bytes((folder / "x.mp3").read_bytes() * 200)
    with pytest.raises(Stopped), open_sound(folder / "x.mp3", lambda: True):
        pass


@pytest.mark.parametrize("kept", [20, 58, 500, 3000])
def test_a_link_that_breaks_off_costs_no_other(folder, samples, kept):
    soundfile.write(folder / "x.ogg", samples, RATE, format="OGG", subtype="VORBIS")
    content = (folder / "x.ogg").read_bytes()
    (folder / "x.ogg").write_bytes(content + content[:kept])
    assert only(folder).duration_s == 3.0
    assert only(folder).note == ("1 of its 2 parts can't be read" if kept > 20 else "")


def test_an_ogg_behind_other_bytes_is_read(folder, samples):
    soundfile.write(folder / "x.ogg", samples, RATE, format="OGG", subtype="VORBIS")
    (folder / "x.ogg").write_bytes(b"\x80" * 1000 + (folder / "x.ogg").read_bytes())
    assert only(folder).duration_s == 3.0


def half_sizes(path: Path) -> None:
    """Let a header say that there is half of the samples."""
    content = path.read_bytes()
    half = {".wav": 3 * RATE * 2, ".au": 3 * RATE * 2, ".aiff": 3 * RATE * 2, ".caf": 3 * RATE * 2}[path.suffix]
    if path.suffix == ".au":
        patched(path, (8, struct.pack(">I", half)))
    elif path.suffix == ".caf":
        patched(path, (content.index(b"data") + 4, struct.pack(">q", 4 + half)))
    elif path.suffix == ".wav":
        patched(path, (4, struct.pack("<I", 36 + half)), (40, struct.pack("<I", half)))
    else:
        comm, ssnd = content.index(b"COMM"), content.index(b"SSND")
        patched(path, (comm + 10, struct.pack(">I", half // 4)), (ssnd + 4, struct.pack(">I", 8 + half)))


@pytest.mark.parametrize("name", ["x.wav", "x.au", "x.aiff", "x.caf"])
def test_a_size_that_is_too_small_is_not_believed(folder, samples, name):
    soundfile.write(folder / name, samples, RATE)
    whole = decoded(folder / name)
    half_sizes(folder / name)
    assert np.array_equal(decoded(folder / name), whole)
    assert "its header says 1.50 s; all 3.00 s" in only(folder).note


def test_two_parts_of_samples_in_a_wav_are_read(folder, samples):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE)
    content = path.read_bytes()
    half = (len(content) - 44) // 2
    part = [struct.pack("<I", half) + content[44 + half * n : 44 + half * (n + 1)] for n in range(2)]
    path.write_bytes(content[:40] + part[0] + b"LIST" + struct.pack("<I", 4) + b"INFO" + b"data" + part[1])
    np.testing.assert_allclose(decoded(path), samples, atol=1e-4)
    assert only(folder).note == ""


def test_a_chunk_of_a_wrong_size_before_the_samples_is_passed(folder, samples):
    path = folder / "x.wav"
    soundfile.write(path, samples, RATE)
    content = path.read_bytes()
    path.write_bytes(content[:36] + b"LIST" + struct.pack("<I", 10**9) + b"INFO" + content[36:])
    np.testing.assert_allclose(decoded(path), samples, atol=1e-4)


@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.caf", "x.au", "x.flac", "x.w64"])
def test_a_file_that_ends_anywhere_in_its_header_is_answered(folder, samples, name, monkeypatch):
    soundfile.write(folder / name, samples[:100], RATE)
    content = (folder / name).read_bytes()
    without_ffmpeg(monkeypatch, folder)
    for length in range(1, min(len(content), 140)):
        (folder / name).write_bytes(content[:length])
        try:
            assert measure_sound(folder / name, never).duration_s < 0.01
        except UnreadableSoundError as error:
            assert error.args[0]  # noqa: PT017 - most of these lengths are no sound


def test_a_sound_that_is_called_raw_is_read(folder, samples):
    soundfile.write(folder / "x.wav", samples, RATE)
    (folder / "x.wav").rename(folder / "x.raw")
    assert only(folder).duration_s == 3.0


# ---- what libsndfile does not know


VIDEO = ("-f", "lavfi", "-i", "testsrc=size=64x64:duration=3", "-map", "0:a", "-map", "1:v", "-c:v", "mpeg4")
WITH_FFMPEG = {
    "phone.m4a": ("-c:a", "aac"),
    "bare.aac": ("-c:a", "aac"),
    "lossless.m4a": ("-c:a", "alac"),
    "apple.caf": ("-c:a", "alac"),
    "opus.caf": ("-c:a", "libopus", "-ar", "48000"),
    "windows.wma": ("-c:a", "wmav2"),
    "film.mov": (*VIDEO, "-c:a", "aac"),
    "film.mp4": (*VIDEO, "-c:a", "aac"),
    "film.mkv": (*VIDEO, "-c:a", "aac"),
    "web.webm": ("-c:a", "libopus", "-ar", "48000"),
    "flac.oga": ("-c:a", "flac", "-f", "ogg"),
    "pack.wv": ("-c:a", "wavpack"),
    "true.tta": ("-c:a", "tta"),
    "dolby.ac3": ("-c:a", "ac3"),
    "old.avi": ("-c:a", "mp3"),
    "stream.ts": ("-c:a", "aac"),
}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound in each of these."""
    made = tmp_path_factory.mktemp("encoded")
    seconds_T1 = np.arange(3 * RATE)[:, None] / RATE
    soundfile.write(made / "source.wav", 0.4 * np.sin(2 * np.pi * 440 * seconds_T1) * np.ones((1, 2)), RATE)
    for name, options in WITH_FFMPEG.items():
        encode(made / "source.wav", made / name, *options)
    return made


@pytest.mark.parametrize("name", WITH_FFMPEG)
def test_what_libsndfile_does_not_know_is_read_with_ffmpeg(folder, encoded, name):
    shutil.copy(encoded / name, folder)
    file = only(folder)
    assert file.duration_s == pytest.approx(3.0, abs=0.12)
    assert file.channels == 2
    middle = decoded(folder / name)[file.sample_rate : 2 * file.sample_rate, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(spectrum.argmax() - 440) <= 1  # hertz, for the second that was looked at
    assert np.abs(middle).max() == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("name", ["x.wav", "x.ogg", "x.xyz", "x"])
def test_a_sound_is_told_by_its_bytes_and_not_by_its_name(folder, encoded, name):
    shutil.copy(encoded / "phone.m4a", folder / name)
    assert only(folder).duration_s == pytest.approx(3.0, abs=0.1)


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
@pytest.mark.parametrize("name", [b"-i.m4a", b"%03d.m4a", b"a\nb.m4a", b"caf\xe9.m4a", b"x:y.m4a", b"concat:a|b.m4a"])
def test_no_name_is_an_option_or_a_pattern_to_ffmpeg(folder, encoded, name, monkeypatch):
    shutil.copy(os.fsencode(encoded / "phone.m4a"), os.path.join(os.fsencode(folder), name))
    monkeypatch.chdir(folder)
    assert [file.sample_rate for file in scan(".").files] == [RATE]


@pytest.mark.parametrize("name", ["phone.m4a", "film.mkv", "pack.wv"])
def test_half_of_a_file_that_ffmpeg_reads_says_so(folder, encoded, tmp_path, name):
    whole = tmp_path / name
    encode(encoded / name, whole, "-c", "copy", *(["-movflags", "faststart"] if name.endswith("m4a") else []))
    (folder / name).write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert only(folder).note.startswith(f"only {only(folder).duration_s:.2f} s of 3.0")


@pytest.mark.parametrize(
    ("tag", "named"), [(0x1610, "AAC in WAV"), (0x161, "WMA in WAV"), (0x4242, "codec 0x4242 in WAV")]
)
def test_a_codec_in_a_wav_that_nothing_here_reads_is_named(folder, tag, named, monkeypatch):
    fmt = struct.pack("<IHHIIHH", 16, tag, 2, RATE, 16_000, 4, 16)
    (folder / "x.wav").write_bytes(b"RIFF\xff\x10\0\0WAVEfmt " + fmt + b"data\0\x10\0\0" + bytes(range(256)) * 16)
    without_ffmpeg(monkeypatch, folder)
    assert f"x.wav: {named}: install ffmpeg, or convert it to WAV or FLAC" in reason(folder)


def test_a_copy_protected_file_is_named_as_such(folder, encoded):
    (folder / "x.m4p").write_bytes((encoded / "phone.m4a").read_bytes().replace(b"mp4a", b"drms"))
    assert "x.m4p: it is copy-protected (DRM)" in reason(folder)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("phone.m4a", "AAC"),
        ("bare.aac", "AAC"),
        ("lossless.m4a", "ALAC"),
        ("apple.caf", "ALAC in CAF"),
        ("windows.wma", "WMA"),
        ("film.mov", "AAC in MOV video"),
        ("web.webm", "Opus in WebM"),
        ("flac.oga", "FLAC in OGG"),
        ("pack.wv", "WavPack"),
    ],
)
def test_without_ffmpeg_a_file_is_named_for_what_it_is(folder, encoded, name, named, monkeypatch):
    without_ffmpeg(monkeypatch, folder)
    shutil.copy(encoded / name, folder / "x.wav")
    assert f"x.wav: {named}: install ffmpeg, or convert it to WAV or FLAC" in reason(folder)


def test_ffmpeg_opens_no_other_file_than_the_one_it_was_given(folder, encoded, tmp_path):
    shutil.copy(encoded / "bare.aac", tmp_path / "secret.aac")
    playlist = f"#EXTM3U\n#EXTINF:3,\nfile://{tmp_path}/secret.aac\n#EXT-X-ENDLIST\n"
    (folder / "x.aac").write_text(playlist)
    (folder / "y.mp3").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/secret.aac'\n")
    assert "x.aac: it is text, and no sound" in reason(folder)


def test_a_damaged_file_is_named_as_damaged(folder, encoded):
    content = (encoded / "phone.m4a").read_bytes()
    (folder / "x.m4a").write_bytes(content[:400])
    assert "damaged" in reason(folder)


def test_ffmpeg_ends_with_the_reading(encoded):
    with open_sound(encoded / "phone.m4a") as sound:
        next(sound.blocks)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("only Linux tells a process's children")
    names = [Path(f"/proc/{child}/comm").read_text().strip() for child in children.read_text().split()]
    assert not [name for name in names if name.startswith("ffmpeg")]


# ---- what is no sound


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\x03\x04" + bytes(200), "it is an archive, and no sound"),
        (b"just some words\n" * 20, "it is text, and no sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "it is a picture, and no sound"),
        (b"MThd\0\0\0\x06" + bytes(200), "it is MIDI notes, and no sound"),
        (bytes(4096), "it is nothing but zeros, and no sound"),
        (bytes(range(128, 256)) * 40, "not a sound file that can be read"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "damaged (WAV)"),
        (b"fLaC" + bytes(100), "damaged (FLAC)"),
    ],
)
def test_what_is_called_a_sound_and_is_none_is_named(folder, content, named):
    (folder / "x.wav").write_bytes(content)
    assert f"x.wav: {named}" in reason(folder)


def test_what_is_passed_over_is_counted_in_one_line(folder, write_sound, encoded):
    write_sound(folder / "good.wav")
    shutil.copy(encoded / "film.mov", folder)
    for name in ["pack.zip", "cover.jpg", "notes.txt", "song.als", "._good.wav", ".DS_Store", ".kick.wav.icloud"]:
        (folder / name).write_bytes(b"whatever it is")
    (folder / "README").write_text("a text without a suffix")
    (folder / "loops").write_bytes(b"Rar!\x1a\x07" + bytes(50))
    dataset = scan(folder)
    assert [file.name for file in dataset.files] == ["film.mov", "good.wav"]
    assert dataset.skipped == ()
    assert str(dataset.passed_over) == "1 file is in iCloud only, 2 archives and 4 other files passed over"


def test_a_folder_of_nothing_but_others_says_so(folder):
    (folder / "pack.zip").write_bytes(b"PK\x03\x04")
    assert reason(folder) == "No sounds in “sounds” (1 archive passed over)."


# ---- how loud


@pytest.mark.parametrize(("peak", "decibels"), [(1 / 32_768, 90), (2 / 32_768, 84), (0.99e-4, 80)])
def test_a_nearly_silent_file_is_skipped(folder, peak, decibels):
    soundfile.write(folder / "x.wav", np.random.default_rng(0).uniform(-peak, peak, 3 * RATE), RATE, subtype="FLOAT")
    assert f"x.wav: it is nearly silent (peak −{decibels} dB)" in reason(folder)


def test_the_dither_of_an_empty_recording_is_skipped_beside_an_offset_too(folder):
    dither = np.random.default_rng(0).integers(-1, 2, 3 * RATE).astype(np.int16)
    soundfile.write(folder / "x.wav", dither + np.int16(500), RATE)
    assert "it is nearly silent" in reason(folder)


def test_a_quiet_file_above_that_is_used(folder):
    soundfile.write(folder / "x.wav", 1.1e-4 * np.sin(np.arange(3 * RATE) / 20), RATE, subtype="FLOAT")
    assert only(folder).note == ""


# ---- from several places


def test_sounds_of_folders_and_files_together(tmp_path, write_sound):
    for name in ["one/a.wav", "two/a.wav", "two/deep/b.wav", "loose/c.wav"]:
        write_sound(tmp_path / name, seed=hash(name) % 100)
    sources = (tmp_path / "one", tmp_path / "two", tmp_path / "loose" / "c.wav")
    dataset = scan(*sources)
    assert dataset.sources == sources
    assert [file.name for file in dataset.files] == ["c.wav", "one/a.wav", "two/a.wav", "two/deep/b.wav"]
    assert dataset.name == "one and 2 more"
    assert [file.path for file in scan(*reversed(sources)).files] == [file.path for file in dataset.files]


def test_folders_of_one_name_are_told_apart(tmp_path, write_sound):
    for name in ["monday/takes/a.wav", "friday/takes/a.wav"]:
        write_sound(tmp_path / name)
    dataset = scan(tmp_path / "monday" / "takes", tmp_path / "friday" / "takes")
    assert [file.name for file in dataset.files] == ["friday/takes/a.wav", "monday/takes/a.wav"]


def test_no_file_counts_twice(tmp_path, write_sound):
    write_sound(tmp_path / "all" / "deep" / "a.wav")
    write_sound(tmp_path / "all" / "b.wav", seed=1)
    deep = tmp_path / "all" / "deep"
    dataset = scan(tmp_path / "all", deep, deep / "a.wav", tmp_path / "all" / "." / "b.wav")
    assert len(dataset.files) == 2


def test_a_file_that_was_named_itself_is_answered_by_name(tmp_path, write_sound):
    write_sound(tmp_path / "a.wav")
    (tmp_path / "notes").write_text("no sound")
    (tmp_path / "gone.wav").touch()
    (tmp_path / "gone.wav").unlink()
    skipped = scan(tmp_path / "a.wav", tmp_path / "notes", tmp_path / "gone.wav").skipped
    assert [(file.name, file.reason) for file in skipped] == [
        ("gone.wav", "it is gone, or a link to what is gone"),
        ("notes", "it is text, and no sound"),
    ]


def test_what_is_named_with_sounds_and_is_none_by_its_name_is_counted(tmp_path, write_sound):
    write_sound(tmp_path / "a.wav")
    others = [tmp_path / name for name in ("cover.jpg", "pack.zip", ".DS_Store", ".b.wav.icloud")]
    for other in others:
        other.touch()
    dataset = scan(tmp_path / "a.wav", *others)
    assert (dataset.sources, dataset.name) == ((tmp_path / "a.wav",), "a.wav")
    assert str(dataset.passed_over) == "1 file is in iCloud only, 1 archive and 1 other file passed over"
    assert "it is empty" in reason(tmp_path / "cover.jpg")


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
def test_sources_that_can_be_none_are_answered(tmp_path, write_sound):
    write_sound(tmp_path / "one" / "a.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    skipped = scan(tmp_path / "one", tmp_path / "loop.wav", tmp_path / ("x" * 300 + ".wav")).skipped
    assert len(skipped) == 2
    with pytest.raises(DatasetError, match="There is no folder or file"):
        scan(tmp_path / "one", tmp_path / ("x" * 300))


def test_a_missing_source_is_named(tmp_path, write_sound):
    write_sound(tmp_path / "one" / "a.wav")
    with pytest.raises(DatasetError, match=r"There is no .*missing"):
        scan(tmp_path / "one", tmp_path / "missing")


# ---- anything at all


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small whole files of the containers whose headers are looked into."""
    made = tmp_path_factory.mktemp("specimens")
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (2000, 2)).astype(np.float32)
    kinds = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("CAF", "PCM_16")]
    kinds += [("AU", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
    for kind, subtype in kinds:
        soundfile.write(made / f"{kind} {subtype}", samples, RATE, format=kind, subtype=subtype)
    bw64(made / "BW64", samples)
    return sorted(made.iterdir())


CHANGES = st.tuples(
    st.integers(0, 119), st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80", b"\x01"])
)


@settings(
    derandomize=True, deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    number=st.integers(0, 9), changes=st.lists(CHANGES, max_size=6), kept=st.sampled_from([1.0, 0.5, 0.01, 0.002, 1e-4])
)
def test_a_damaged_file_is_used_or_refused_and_nothing_else(specimens, tmp_path, number, changes, kept):
    content = bytearray(specimens[number].read_bytes())
    for position, new in changes:
        content[position : position + len(new)] = new
    path = tmp_path / "x.wav"
    path.write_bytes(content[: max(1, round(kept * len(content)))])
    try:
        measured = measure_sound(path, never)
    except UnreadableSoundError:
        return
    assert 0 < measured.duration_s < 3600


@pytest.mark.parametrize("encoding", ["PCM_S8", "PCM_16", "PCM_24"])
def test_a_midi_sample_dump_is_read_whole(folder, samples, encoding):
    path = folder / "x.sds"
    soundfile.write(path, samples[:, 0], RATE, format="SDS", subtype=encoding)
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(decoded(path)[: len(expected), 0], expected)
    assert only(folder).note == ""


@pytest.mark.parametrize("place", [21, 22, 21 + 127 * 50, 21 + 127 * 51 - 1])
def test_a_damaged_sample_dump_is_read_without_a_word_in_the_standard_output(folder, samples, place, capfd):
    path = folder / "x.sds"
    soundfile.write(path, samples[:, 0], RATE, format="SDS", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert only(folder).duration_s == pytest.approx(3, abs=0.01)
    assert capfd.readouterr().out == ""


def test_a_sample_dump_without_a_whole_packet_is_named(folder, samples, capfd):
    path = folder / "x.sds"
    soundfile.write(path, samples[:, 0], RATE, format="SDS", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 21 + 126])
    assert "damaged" in reason(folder)
    assert capfd.readouterr().out == ""
