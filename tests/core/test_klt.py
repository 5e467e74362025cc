"""The KLT codec: silence, loudness, pieces, blocks and levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from distill_core import LoadedVQModel, load_model_v2
from distill_core.audio import rows
from distill_core.audio.rows import pieces_of_blocks
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.device import using_training_threads
from distill_core.generation.round_trip import round_trip
from distill_core.models.codec import vectors_of
from distill_core.models.klt import KLTCodec, search
from distill_core.models.klt.patches import log_mel_of, loudness_of, loudness_of_patches, patches_of
from distill_core.training.codec.train import train_codec

RATE, STEP = 48_000, 8192
TINY: dict[str, Any] = {"codebook_size": 32, "num_quantizers": 3, "band_mels": 32, "components": 24, "device": "cpu"}
TINY |= {"refiner_width": 16, "refiner_depth": 1, "max_epochs": 3, "batch_size": 4}
QUIET = 1e-4  # of full scale, −80 dB


def _note(hertz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a note that ends in silence: its last 20 ms fade out."""
    seconds_T = np.arange(round(seconds * RATE)) / RATE
    tone_T = np.sin(2 * np.pi * hertz * seconds_T) + 0.4 * np.sin(4 * np.pi * hertz * seconds_T)
    return 0.5 * np.exp(-4 * seconds_T) * tone_T * np.clip((seconds - seconds_T) / 0.02, 0, 1)


def _notes_between_silence() -> Tensor:
    notes = [np.concatenate([_note(hertz, 0.5), np.zeros(RATE)]) for hertz in (220.0, 330.0)]
    return torch.from_numpy(np.concatenate(notes)).float()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedVQModel:
    """A model of six notes."""
    folder = tmp_path_factory.mktemp("notes")
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", _note(165.0 * 2 ** (number / 6), 1.0), RATE)
    return load_model_v2(train_codec(folder, TINY).save(folder / "notes.distill"))


def _codes(loaded: LoadedVQModel, waveform_T: Tensor) -> Tensor:
    return loaded.model.codes_of(waveform_T[None])[0]


def _sound(loaded: LoadedVQModel, codes_WHQ: Tensor, *cuts: int) -> Tensor:
    return torch.cat(list(loaded.model.audio_of(codes_WHQ.tensor_split(cuts))))


def test_a_step_is_whole_frames_and_a_band_whole_mel_bands(loaded: LoadedVQModel) -> None:
    geometry = loaded.geometry
    assert (geometry.step_samples, geometry.chunk_steps, geometry.bands, geometry.levels) == (STEP, 6, 4, 3)
    for frames, mels, bands in ((4, 16, 8), (256, 128, 1), (16, 48, 3)):
        config = {"step_frames": frames, "band_mels": mels, "num_quantizers": 1}
        own = KLTCodec.geometry(config, SpectrogramConfig())
        assert (own.step_samples, own.bands) == (frames * 512, bands)
        assert own.look_back_steps * own.step_samples >= 1024
    assert not KLTCodec.geometry(config | {"band_mels": 0}, SpectrogramConfig()).bands


def test_patches_and_loudness_go_back() -> None:
    log_mel_BFM = 8 * torch.rand(2, 21, 50, generator=torch.Generator().manual_seed(0))
    patches_BWHD = patches_of(log_mel_BFM, 8, 16)
    assert patches_BWHD.shape == (2, 3, 4, 128)
    back_BFM = loudness_of_patches(patches_BWHD, 8)
    assert torch.equal(back_BFM[:, :21, :50], log_mel_BFM)
    assert not bool(back_BFM[:, 21:].any() or back_BFM[:, :, 50:].any())
    torch.testing.assert_close(log_mel_of(loudness_of(log_mel_BFM)), log_mel_BFM, atol=1e-3, rtol=0)
    assert not bool(loudness_of(torch.zeros(3)).any() or log_mel_of(torch.zeros(3)).any())


def test_silence_has_the_codes_0_and_they_are_silence(loaded: LoadedVQModel) -> None:
    silent_WHQ = _codes(loaded, torch.zeros(RATE))
    assert not bool(silent_WHQ.any())
    assert not bool(_sound(loaded, silent_WHQ).any())


def test_silence_has_the_codes_0_even_if_a_soft_sound_is_far_more_frequent(loaded: LoadedVQModel) -> None:
    codec = loaded.model
    assert isinstance(codec, KLTCodec)
    bits_QK = codec.bits_QK.clone()
    try:
        codec.bits_QK[:] = 0
        codec.bits_QK[:, 0] = 1000
        assert not bool(_codes(loaded, torch.zeros(RATE)).any())
        assert not bool(_codes(loaded, torch.full((RATE,), 1e-7)).any())
        assert bool((_codes(loaded, torch.from_numpy(_note(220.0, 1.0)).float())[0] > 0).any())
    finally:
        codec.bits_QK.copy_(bits_QK)


def test_between_notes_there_is_no_hum(loaded: LoadedVQModel) -> None:
    waveform_T = _notes_between_silence()
    heard_T = round_trip(loaded, waveform_T)
    assert heard_T.shape == waveform_T.shape
    assert heard_T[: RATE // 2].abs().max() > 0.1
    quiet = slice(RATE // 2 + 2 * STEP, round(1.5 * RATE) - STEP)
    assert heard_T[quiet].abs().max() < QUIET


def test_pieces_give_the_codes_of_the_whole(loaded: LoadedVQModel, monkeypatch: pytest.MonkeyPatch) -> None:
    waveform_T = _notes_between_silence()
    whole_WHQ = _codes(loaded, waveform_T)
    assert len(whole_WHQ.unique()) > 4
    for steps in (1, 3, 7):
        monkeypatch.setattr(rows, "_PIECE_STEPS", steps)
        pieces = pieces_of_blocks(waveform_T.split(5000), loaded.geometry)
        found = [loaded.model.codes_of(each.waveform_T[None], each.skipped, each.steps)[0] for each in pieces]
        assert torch.equal(torch.cat(found), whole_WHQ)


@pytest.mark.parametrize("cuts", [(1,), (3, 4, 4, 15), tuple(range(1, 18))])
def test_the_same_codes_sound_the_same_in_any_blocks(loaded: LoadedVQModel, cuts: tuple[int, ...]) -> None:
    codes_WHQ = _codes(loaded, _notes_between_silence())
    assert torch.equal(_sound(loaded, codes_WHQ, *cuts), _sound(loaded, codes_WHQ))


@pytest.mark.parametrize("steps", [0, 1, 11])
def test_a_sound_is_as_long_as_its_steps(loaded: LoadedVQModel, steps: int) -> None:
    codes_WHQ = torch.randint(32, (steps, 4, 3), generator=torch.Generator().manual_seed(steps))
    blocks = list(loaded.model.audio_of(codes_WHQ.split(1) if steps else []))
    assert sum(map(len, blocks)) == steps * STEP
    assert all(bool(block_T.isfinite().all()) for block_T in blocks)


def test_fewer_levels_sound_and_are_further_from_the_sound(loaded: LoadedVQModel) -> None:
    waveform_T = torch.from_numpy(_note(165.0 * 2 ** (1 / 6), 1.0)).float()
    waveform_T /= waveform_T.abs().max()
    codes_WHQ = _codes(loaded, waveform_T)
    mel = loaded.spectrogram.log_mel(waveform_T[None])
    heard = [_sound(loaded, codes_WHQ[..., :levels])[: len(waveform_T)] for levels in (1, 3)]
    coarse, fine = (float((loaded.spectrogram.log_mel(each_T[None]) - mel).abs().mean()) for each_T in heard)
    assert heard[0].abs().max() > 0.05
    assert fine < coarse < float(mel.mean())


@pytest.mark.parametrize("level", [1.0, 0.3, 0.02])
def test_loudness_survives(loaded: LoadedVQModel, level: float) -> None:
    waveform_T = level * torch.from_numpy(_note(165.0, 1.0)).float()
    heard_T = round_trip(loaded, waveform_T)
    decibels = 10 * float(torch.log10(heard_T.square().mean() / waveform_T.square().mean()))
    assert abs(decibels) < 2


def test_long_sounds_come_as_they_are_made(loaded: LoadedVQModel) -> None:
    taken = 0

    def steps() -> Iterator[Tensor]:
        nonlocal taken
        for _ in range(400):
            taken += 1
            yield torch.zeros(1, 4, 3, dtype=torch.long)

    sound = loaded.model.audio_of(steps())
    assert len(next(iter(sound))) > 0
    assert taken < 20


def test_codes_do_not_depend_on_the_number_of_threads(loaded: LoadedVQModel) -> None:
    waveform_T = _notes_between_silence()
    with using_training_threads():
        several_WHQ = _codes(loaded, waveform_T)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(_codes(loaded, waveform_T), several_WHQ)
    finally:
        torch.set_num_threads(before)


def test_without_its_spectrogram_it_refuses_sound(loaded: LoadedVQModel) -> None:
    codec = KLTCodec({**loaded.vqvae_config})
    with pytest.raises(ValueError, match="spectrogram"):
        codec.codes_of(torch.zeros(1, RATE))


def test_vectors_are_searched_in_parts_as_if_alone() -> None:
    vectors_NC = torch.randn(300, 24, generator=torch.Generator().manual_seed(1))
    books_QKC = torch.randn(2, 4096, 24, generator=torch.Generator().manual_seed(0))
    assert len(search.parts_of(vectors_NC, 4096)) > 1
    costs_QK = torch.zeros(2, 4096)
    alone = [search.codes_of(vector_1C, books_QKC, costs_QK) for vector_1C in vectors_NC.split(1)]
    codes_NQ = search.codes_of(vectors_NC, books_QKC, costs_QK)
    assert float((torch.cat(alone) == codes_NQ).float().mean()) > 0.99
    greedy_N = torch.cdist(vectors_NC, books_QKC[0]).min(1).values
    left_NC = vectors_NC - vectors_of(codes_NQ, books_QKC)
    assert left_NC.norm(dim=1).mean() < greedy_N.mean()
