"""Decoding, resampling and cutting, on files as people and broken disks leave them."""

import math
import struct

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_core.audio import io
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.decoding.samples import BLOCK_FRAMES
from distill_core.audio.decoding.sound import open_sound
from distill_core.audio.io import chunks_of_blocks, read_blocks, read_mono, resample_blocks, split_into_chunks
from distill_core.audio.torchaudio_import import Resample

SETTINGS = settings(derandomize=True, deadline=None, max_examples=40)

# What libsndfile writes but does not read back: DWVW comes out empty, RAW has no header, MPEG cannot be in a WAV.
NOT_ROUND_TRIP = {"DWVW_12", "DWVW_16", "DWVW_24", "MPEG_LAYER_I", "MPEG_LAYER_II"}
NOT_SOUND_FILES = {"RAW", "MAT4", "MAT5"}
LOSSLESS = {"PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32"}
ENCODINGS = [
    (kind, encoding)
    for kind in sorted(set(soundfile.available_formats()) - NOT_SOUND_FILES)
    for encoding in sorted(set(soundfile.available_subtypes(kind)) - NOT_ROUND_TRIP)
    if (kind, encoding) != ("WAV", "MPEG_LAYER_III")
]


def decoded(path):
    with open_sound(path) as sound:
        return np.concatenate([block.T for block in sound.blocks] or [np.zeros((0, sound.channels))])


@pytest.mark.parametrize(("kind", "encoding"), ENCODINGS)
def test_every_encoding_of_libsndfile_is_read(tmp_path, tone, kind, encoding):
    path = tmp_path / f"x.{kind.lower()}"
    written = tone(rate=48_000)
    soundfile.write(path, written, 48_000, format=kind, subtype=encoding)
    waveform = read_mono(path, 48_000)
    assert 0.9 * len(written) < len(waveform) < 1.1 * len(written) or kind in {"WVE", "XI"}  # these fix their own rate
    assert 0.2 < waveform.abs().max() < 1
    if encoding in LOSSLESS and kind not in {"HTK"}:
        assert np.abs(waveform.numpy() - written[:, 0]).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 2, 8, 64])
def test_mono_is_the_mean_of_the_channels(tmp_path, tone, channels):
    written = tone(channels=channels)
    soundfile.write(tmp_path / "x.wav", written, 48_000, subtype="FLOAT")
    np.testing.assert_allclose(read_mono(tmp_path / "x.wav", 48_000), written.mean(axis=1), atol=1e-6)


def test_one_channel_can_be_taken_instead(tmp_path, tone):
    written = tone(channels=3)
    soundfile.write(tmp_path / "x.wav", written, 48_000, subtype="FLOAT")
    assert np.array_equal(read_mono(tmp_path / "x.wav", 48_000, channel=2), written[:, 2])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 44_101, 47_999, 96_000, 192_000, 655_350])
def test_a_tone_keeps_its_pitch_and_length_at_any_rate(tmp_path, rate):
    seconds_T = np.arange(rate) / rate
    soundfile.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * 1000 * seconds_T), rate)
    waveform = read_mono(tmp_path / "x.wav", 48_000)
    spectrum = torch.fft.rfft(waveform * torch.hann_window(len(waveform)))
    hertz = spectrum.abs().argmax().item() * 48_000 / len(waveform)
    assert abs(1200 * math.log2(hertz / 1000)) < 2.5  # cents; one bin is 1.7
    assert len(waveform) == pytest.approx(48_000, rel=6e-4)


def test_a_file_at_the_models_rate_is_not_resampled(tmp_path, tone):
    soundfile.write(tmp_path / "x.wav", tone(), 48_000, subtype="FLOAT")
    assert np.array_equal(read_mono(tmp_path / "x.wav", 48_000), tone()[:, 0])


# ---- broken off, and lying


@pytest.mark.parametrize("seconds", [1, 4])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_flac_gives_what_precedes_the_break(tmp_path, write_sound, seconds, kept):
    whole = write_sound(tmp_path / "whole.flac", seconds=seconds)
    (tmp_path / "cut.flac").write_bytes(whole.read_bytes()[: int(kept * whole.stat().st_size)])
    samples = decoded(tmp_path / "cut.flac")
    assert (kept - 0.2) * seconds * 48_000 < len(samples) <= kept * seconds * 48_000
    assert np.array_equal(samples, decoded(whole)[: len(samples)])


@pytest.mark.parametrize("name", ["x.wav", "x.ogg", "x.mp3", "x.aiff", "x.au"])
def test_other_truncated_files_give_what_is_there(tmp_path, write_sound, name):
    path = write_sound(tmp_path / name, seconds=4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert 1.5 * 48_000 < len(decoded(path)) < 3 * 48_000


def test_a_flac_of_unknown_length_is_read_whole(tmp_path, write_sound):
    path = write_sound(tmp_path / "x.flac", seconds=3)
    known = decoded(path)
    stream = bytearray(path.read_bytes())
    stream[21] &= 0xF0  # STREAMINFO's total samples: 36 bits, 0 where the writer could not seek back
    stream[22:26] = bytes(4)
    path.write_bytes(stream)
    assert np.array_equal(decoded(path), known)


@pytest.mark.parametrize("claim", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_wav_that_claims_gigabytes_gives_what_it_has(tmp_path, write_sound, claim):
    path = write_sound(tmp_path / "x.wav")
    header = bytearray(path.read_bytes())
    header[40:44] = struct.pack("<I", claim)
    path.write_bytes(header)
    assert len(decoded(path)) == 12_000


def test_an_mp3_that_claims_years_gives_what_it_has(tmp_path, write_sound):
    path = write_sound(tmp_path / "x.mp3")
    header = bytearray(path.read_bytes())
    start = header.index(b"Xing") + 8
    header[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(header)
    assert 12_000 <= len(decoded(path)) < 15_000


@pytest.mark.parametrize("name", ["x.mp3", "x.ogg", "x.flac"])
def test_blocks_join_without_a_seam(tmp_path, write_sound, name):
    path = write_sound(tmp_path / name, seconds=4)
    assert np.array_equal(decoded(path), soundfile.read(path, dtype="float32", always_2d=True)[0])


@pytest.mark.parametrize("name", ["x.wav", "x.au", "x.snd", "x.flac", "x.mp3"])
def test_a_text_is_no_sound_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_text("This is a text about sounds.\n" * 500)
    with pytest.raises(UnreadableSoundError, match="it is text, and no sound"), open_sound(tmp_path / name):
        pass


def test_a_sound_under_another_formats_name_is_read(tmp_path, write_sound):
    assert len(read_mono(write_sound(tmp_path / "x.wav").rename(tmp_path / "x.mp3"), 48_000)) == 12_000


def test_no_sound_is_said_in_words(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(UnreadableSoundError, match="it is empty"):
        read_mono(tmp_path / "empty.wav", 48_000)
    with pytest.raises(UnreadableSoundError, match="it is gone"):
        read_mono(tmp_path / "missing.wav", 48_000)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 48_000)
    with pytest.raises(UnreadableSoundError, match="it holds no sound"):
        read_mono(tmp_path / "none.wav", 48_000)


# ---- resampling, block by block


def test_a_long_file_passes_through_in_blocks(tmp_path, write_sound):
    path = write_sound(tmp_path / "x.wav", seconds=12, rate=44_100, channels=2)
    blocks = list(read_blocks(path, 48_000))
    assert len(blocks) > 6
    assert max(map(len, blocks)) < 3 * BLOCK_FRAMES
    assert torch.equal(torch.cat(blocks), read_mono(path, 48_000))


@SETTINGS
@given(rate=st.integers(1_000, 1_000_000), target=st.integers(8_000, 192_000), length=st.integers(1, 3_000))
def test_resampling_needs_little_memory_and_gives_the_expected_length(rate, target, length):
    entering, leaving = io._small_ratio(rate, target)
    assert max(entering, leaving) <= 1000
    assert abs(1200 * math.log2(entering / leaving / (rate / target))) < 1  # cents
    resampled = torch.cat(list(resample_blocks([torch.ones(length)], rate, target)))
    assert len(resampled) == math.ceil(length * leaving / entering)


@SETTINGS
@given(
    rates=st.tuples(*[st.sampled_from([8_000, 11_025, 22_050, 44_100, 44_101, 48_000, 96_000, 192_000])] * 2),
    length=st.integers(1, 60_000),
    block=st.integers(500, 30_000),
)
def test_resampling_by_blocks_is_resampling_the_whole(rates, length, block):
    waveform_T = torch.randn(length, generator=torch.Generator().manual_seed(length))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "BLOCK_FRAMES", 4096)
        by_blocks = torch.cat(list(resample_blocks(waveform_T.split(block), *rates)))
    whole = Resample(*io._small_ratio(*rates))(waveform_T)
    assert by_blocks.shape == whole.shape
    assert torch.allclose(by_blocks, whole, atol=1e-5)


# ---- chunks


@SETTINGS
@given(length=st.integers(0, 2_000), chunk=st.integers(1, 500), gain=st.sampled_from([1e-3, 1.0, 3e4]))
def test_chunks_have_one_length_and_a_peak_of_one(length, chunk, gain):
    waveform_T = gain * (torch.rand(length, generator=torch.Generator().manual_seed(length)) - 1.1)
    chunks_NT = split_into_chunks(waveform_T, chunk)
    assert chunks_NT.shape == (math.ceil(length / chunk), chunk)
    assert bool((chunks_NT.abs().amax(dim=1) == 1).all())
    padding = chunks_NT.flatten()[length:]
    assert not padding.any()


def test_a_silent_chunk_stays_as_it_is():
    chunks_NT = split_into_chunks(torch.cat([torch.zeros(4), torch.full((4,), 1e-7), torch.tensor([0.5, -0.25])]), 4)
    assert torch.equal(chunks_NT, torch.tensor([[0, 0, 0, 0], [1e-7] * 4, [1, -0.5, 0, 0]]))


@SETTINGS
@given(length=st.integers(1, 5_000), chunk=st.integers(1, 60), block=st.integers(1, 900))
def test_chunks_of_blocks_are_those_of_the_whole(length, chunk, block):
    waveform_T = torch.randn(length, generator=torch.Generator().manual_seed(length))
    pieces = list(chunks_of_blocks(waveform_T.split(block), chunk))
    assert torch.equal(torch.cat(pieces), split_into_chunks(waveform_T, chunk))
    assert all(len(piece) * chunk < 33 * chunk + block for piece in pieces)
