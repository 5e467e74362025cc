"""Variants: a little higher, lower or later, from the training sounds alone, and from the cache the second time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from distill_core import load_model_v2, scan
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.audio.variants import ORIGINAL, VARIANTS, Variant, read_variant
from distill_core.events import never
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.prior.config import MOST_VARIANTS

CONFIG = SpectrogramConfig()
GEOMETRY = ConvVQVAE.geometry({"num_quantizers": 2}, CONFIG)


def _same(one: SoundCodes, other: SoundCodes) -> bool:
    return one.steps == other.steps and torch.equal(one.codes_WHQ, other.codes_WHQ)


def _loudest_hertz(waveform_T: torch.Tensor) -> float:
    spectrum = torch.fft.rfft(waveform_T * torch.hann_window(len(waveform_T))).abs()
    return float(spectrum.argmax()) * CONFIG.sample_rate / len(waveform_T)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050])
def test_a_variant_is_as_much_higher_and_later_as_it_says(
    write_sound: Callable[..., Path], tmp_path: Path, rate: int, variant: Variant
) -> None:
    write_sound(tmp_path / "sounds" / "a.wav", seconds=2.0, rate=rate)
    (file,) = scan(tmp_path / "sounds").files
    plain, varied = (torch.cat(list(read_variant(file, GEOMETRY, never, each))) for each in (ORIGINAL, variant))
    delay = round(variant.delay * 16 * 512)
    assert not varied[:delay].any()
    assert len(varied) - delay == pytest.approx(len(plain) / variant.speed, rel=2e-3)
    assert _loudest_hertz(varied[delay:]) == pytest.approx(_loudest_hertz(plain) * float(variant.speed), rel=0.01)


def test_there_are_as_many_as_the_setting_may_ask_for() -> None:
    assert len(VARIANTS) == len(set(VARIANTS)) == MOST_VARIANTS


@pytest.mark.parametrize("layout", ["chunks", "rows"])
def test_only_training_sounds_have_them_and_the_cache_knows_them_apart(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    loaded, dataset = load_model_v2(tiny_model), scan(sounds_folder)
    cache = open_code_cache(loaded, layout)
    codes = encode_and_split(loaded, dataset, 0.3, 0, layout=layout, variants=3, cache=cache)
    assert {len(versions) for versions in codes.versions} == {4}
    assert codes.joined == 3
    plain = encode_and_split(loaded, dataset, 0.3, 0, layout=layout)
    assert all(map(_same, codes.train, plain.train))
    assert codes.count == plain.count
    monkeypatch.setattr(type(loaded.model), "encode", None)  # from here on there is only the cache
    again = encode_and_split(loaded, dataset, 0.3, 0, layout=layout, variants=3, cache=cache)
    for versions, cached in zip(codes.versions, again.versions, strict=True):
        assert all(map(_same, versions, cached))
