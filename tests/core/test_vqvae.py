from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from distill_core import ConvVQVAE, LoadedVQModel, extract_code_sequences, load_model_v2
from distill_core.audio.inversion import mel_inversion
from distill_core.audio.io import read_mono, split_into_chunks
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import Stopped

DATA = Path(__file__).parents[1] / "data"
REFERENCE = DATA / "ref_small_prior.distill"


@pytest.fixture(scope="module")
def reference_chunks() -> torch.Tensor:
    paths = sorted((DATA / "sounds").iterdir())
    return torch.cat([split_into_chunks(read_mono(path, 48_000), 48_000) for path in paths])


def test_the_ancestors_model_reconstructs_its_sounds(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    mel = loaded.spectrogram.log_mel(reference_chunks)
    with torch.no_grad():
        reconstruction, indices, commit_loss = loaded.model(mel)
    assert reconstruction.shape == mel.shape == (len(reference_chunks), 1, 128, 94)
    assert indices.shape == (len(reference_chunks), 48, 3)
    assert commit_loss.shape == ()
    error = (reconstruction - mel).abs().mean()
    mean_frame_error = (mel.mean(dim=3, keepdim=True) - mel).abs().mean()
    assert error < mean_frame_error


def test_codes_alone_give_the_same_reconstruction(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    mel = loaded.spectrogram.log_mel(reference_chunks)
    with torch.no_grad():
        reconstruction, indices, _ = loaded.model(mel)
        decoded = loaded.model.decode(loaded.model.codes_to_embeddings(indices, bands=8), 128, 94)
    torch.testing.assert_close(decoded, reconstruction)


@pytest.mark.parametrize(("n_mels", "frames"), [(128, 94), (80, 33), (17, 1)])
def test_any_mel_size_comes_back_at_its_size(tiny_model: Path, n_mels: int, frames: int) -> None:
    model = load_model_v2(tiny_model).model
    mel = torch.rand(2, 1, n_mels, frames, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reconstruction, indices, _ = model(mel)
    assert reconstruction.shape == mel.shape
    assert indices.shape[1] == -(-n_mels // 16) * -(-frames // 16)


def test_extraction_leaves_a_model_in_train_mode_untouched(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    loaded.model.train()
    before = {key: value.clone() for key, value in loaded.model.state_dict().items()}
    codes = extract_code_sequences(loaded.model, reference_chunks, loaded.spectrogram, "cpu")
    assert codes.shape == (len(reference_chunks), 48, 3)
    assert codes.dtype == torch.int64
    assert not codes.is_inference()
    assert loaded.model.training
    assert all(torch.equal(before[key], value) for key, value in loaded.model.state_dict().items())


def test_a_tensor_and_a_stream_of_chunks_give_the_same_codes(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    many = reference_chunks.repeat(12, 1)[:40]  # more than one batch
    whole = extract_code_sequences(loaded.model, many, loaded.spectrogram, "cpu")
    streamed = extract_code_sequences(loaded.model, iter(many), loaded.spectrogram, "cpu")
    assert torch.equal(whole, streamed)


def test_extraction_stops_when_asked(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    with pytest.raises(Stopped):
        extract_code_sequences(loaded.model, reference_chunks, loaded.spectrogram, "cpu", should_stop=lambda: True)


def test_the_door_gives_the_codes_of_the_verbs_time_first(reference_chunks: torch.Tensor) -> None:
    loaded = load_model_v2(REFERENCE)
    assert isinstance(loaded.model, ConvVQVAE)
    with torch.no_grad():
        _, indices_NSQ, _ = loaded.model.quantize(loaded.model.encode(loaded.spectrogram.log_mel(reference_chunks)))
    codes_NWHQ = loaded.model.codes_of(reference_chunks)
    assert codes_NWHQ.shape == (len(reference_chunks), 6, 8, 3)
    assert torch.equal(codes_NWHQ.transpose(1, 2).flatten(1, 2), indices_NSQ)


def _drums_codes(loaded: LoadedVQModel) -> tuple[Tensor, Tensor]:
    """Return some of the reference's own sounds in a row `[T]` and their codes `[W, H, Q]`."""
    sounds = [read_mono(path, 48_000) for path in sorted((DATA / "sounds").iterdir())]
    waveform_T = torch.cat([sound_T / sound_T.abs().max() for sound_T in sounds])
    return waveform_T, loaded.model.codes_of(waveform_T[None])[0]


def test_a_round_trip_is_nearer_to_the_sound_than_its_mean_frame_and_as_long() -> None:
    loaded = load_model_v2(REFERENCE)
    waveform_T, codes_WHQ = _drums_codes(loaded)
    before = torch.get_rng_state()
    blocks = list(loaded.model.audio_of([codes_WHQ]))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(block_T.dtype == torch.float32 for block_T in blocks)
    heard_T = torch.cat(blocks)
    assert len(heard_T) == len(codes_WHQ) * loaded.geometry.step_samples
    mel, heard_mel = (loaded.spectrogram.log_mel(each_T[None, : len(waveform_T)]) for each_T in (waveform_T, heard_T))
    mean_frame = mel.mean(dim=3, keepdim=True)
    assert (heard_mel - mel).abs().mean() < (mean_frame - mel).abs().mean()


@pytest.mark.parametrize("length", [1, 7])
def test_codes_in_blocks_of_any_length_give_the_same_sound_to_the_last_bit(length: int) -> None:
    loaded = load_model_v2(REFERENCE)
    _, codes_WHQ = _drums_codes(loaded)
    whole_T = torch.cat(list(loaded.model.audio_of([codes_WHQ])))
    assert torch.equal(torch.cat(list(loaded.model.audio_of(codes_WHQ.split(length)))), whole_T)
    before = torch.get_num_threads()
    torch.set_num_threads(3 - min(2, before))
    in_other_threads_T = torch.cat(list(loaded.model.audio_of(iter([codes_WHQ[:0], codes_WHQ]))))
    torch.set_num_threads(before)
    assert torch.equal(in_other_threads_T, whole_T)


def test_sound_comes_as_soon_as_the_codes_of_half_a_second_and_a_step_are_there() -> None:
    loaded = load_model_v2(REFERENCE)
    taken: list[Tensor] = []

    def steps() -> Iterator[Tensor]:
        for codes_WHQ in torch.randint(loaded.model.codebook_size, (40, 1, 8, 3)):
            taken.append(codes_WHQ)
            yield codes_WHQ

    heard = 0
    for block_T in loaded.model.audio_of(steps()):
        assert len(block_T) <= loaded.geometry.sample_rate
        assert len(taken) * loaded.geometry.step_samples - heard <= 40_000
        heard += len(block_T)
    assert heard == 40 * loaded.geometry.step_samples


def test_without_codes_there_is_no_sound() -> None:
    model = load_model_v2(REFERENCE).model
    assert not list(model.audio_of([]))
    assert not list(model.audio_of([torch.zeros(0, 8, 3, dtype=torch.long)]))


def test_the_sound_of_a_block_is_that_of_the_whole_mel() -> None:
    """Codes decoded some at a time give the mel of all at once."""
    loaded = load_model_v2(REFERENCE)
    assert isinstance(loaded.model, ConvVQVAE)
    _, codes_WHQ = _drums_codes(loaded)
    indices_1SQ = codes_WHQ.transpose(0, 1).flatten(0, 1)[None]
    with torch.no_grad():
        whole = loaded.model.decode(loaded.model.codes_to_embeddings(indices_1SQ, 8), 128)[0, 0]
    heard_T = torch.cat(list(loaded.model.audio_of([codes_WHQ])))
    heard_mel = loaded.spectrogram.log_mel(heard_T[None])[0, 0, :, :-1]
    at_once_1T = mel_inversion(loaded.spectrogram.config).waveforms_of(whole[None])
    at_once_mel = loaded.spectrogram.log_mel(at_once_1T)[0, 0, :, :-1]
    assert (heard_mel - whole).abs().mean() <= 1.05 * (at_once_mel - whole).abs().mean()


def test_a_model_built_by_hand_needs_a_spectrogram_for_sound() -> None:
    model = ConvVQVAE(codebook_dim=4, codebook_size=4, num_quantizers=1).eval()
    with pytest.raises(ValueError, match="spectrogram"):
        model.codes_of(torch.zeros(1, 48_000))
    with pytest.raises(ValueError, match="spectrogram"):
        next(model.audio_of([torch.zeros(1, 8, 1, dtype=torch.long)]))


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (8192, 1), (8193, 2), (48_000, 6), (96_000, 12)])
def test_its_geometry_follows_from_the_spectrogram(samples: int, steps: int) -> None:
    geometry = load_model_v2(REFERENCE).geometry
    assert (geometry.sample_rate, geometry.step_samples, geometry.chunk_steps) == (48_000, 16 * 512, 6)
    assert (geometry.bands, geometry.levels, geometry.codes_per_step, geometry.codes_per_second) == (8, 3, 24, 144)
    assert (geometry.look_back_steps, geometry.look_ahead_samples) == (2, 1024)
    assert geometry.steps_of(samples) == steps
    assert (geometry.steps_within(1.0), geometry.steps_within(0.5), geometry.steps_within(4.0)) == (6, 3, 24)


def test_loading_does_not_touch_the_random_generator() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_model_v2(REFERENCE)
    assert torch.equal(torch.rand(3), expected)


def test_another_grid_and_rate(tmp_path: Path) -> None:
    from distill_core import save_model_v2
    from distill_core.audio.spectrogram import SpectrogramConfig

    config = {"codebook_dim": 8, "codebook_size": 4, "num_quantizers": 8, "decay": 0.9, "commitment_weight": 0.25}
    config |= {"threshold_ema_dead_code": 0, "dropout": 0.0}
    torch.manual_seed(0)
    model = ConvVQVAE(**config).train()
    spectrogram = SpectrogramConfig(sample_rate=24_000, n_fft=512, hop_length=300, n_mels=16)
    model(AudioSpectrogram(spectrogram).log_mel(torch.rand(8, 24_000)))
    path = save_model_v2(
        tmp_path / "m.distill",
        model,
        spectrogram_config=spectrogram,
        vqvae_config=config,
        training_config={},
        metadata={},
    )
    loaded = load_model_v2(path)
    assert (loaded.geometry.bands, loaded.geometry.chunk_steps) == (1, 6)
    codes = extract_code_sequences(loaded.model, torch.rand(2, 24_000), loaded.spectrogram, "cpu")
    assert codes.shape == (2, 6, 8)
    assert loaded.geometry.codes_per_second == 48


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_entries_are_looked_up_as_the_library_does(levels: int) -> None:
    model = load_model_v2(REFERENCE).model
    assert isinstance(model, ConvVQVAE)
    indices_BSQ = torch.randint(0, 64, (2, 40, levels), generator=torch.Generator().manual_seed(1))
    padded_BSQ = torch.nn.functional.pad(indices_BSQ, (0, 3 - levels), value=-1)
    expected_BSD = model.quantizer.rvq.get_output_from_indices(padded_BSQ)
    assert torch.equal(model.quantizer.embeddings(indices_BSQ), expected_BSD)
