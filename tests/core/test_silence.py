"""Silence within sounds is learned, but makes no number better that judges a prior; after them it is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from distill_core import load_model_v2, scan, train_prior
from distill_core.events import never
from distill_core.training.codec.train import train_codec
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent
from tests.conftest import WriteSound

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 3, "variants": 0, "device": "cpu"}
SETTINGS = {"band_mels": 64, "num_quantizers": 2, "max_epochs": 1, "device": "cpu"}
RATE, COUNT, SILENCE_S = 48_000, 8, 4


def _sounds(folder: Path, write_sound: WriteSound) -> tuple[Path, Path]:
    """Return a folder of sounds that are heard twice, and one of the same with silence after each time."""
    for number in range(COUNT):
        path = write_sound(folder / f"{number}.wav", seed=number, seconds=1.0)
        sound, _ = soundfile.read(path, dtype="float32")
        silence = np.zeros(SILENCE_S * RATE, dtype=np.float32)
        for name, parts in {"short": [sound, sound], "long": [sound, silence, sound, silence]}.items():
            (folder / name).mkdir(exist_ok=True)
            soundfile.write(folder / name / path.name, np.concatenate(parts), RATE)
    return folder / "short", folder / "long"


def _events(model: Path, folder: Path) -> tuple[PriorTrainingStartEvent, PriorEpochMetrics]:
    events: list[Any] = []
    train_prior(model, folder, SMALL, on_event=events.append)
    (start,) = (event for event in events if isinstance(event, PriorTrainingStartEvent))
    return start, [event for event in events if isinstance(event, PriorEpochMetrics)][-1]


@pytest.mark.parametrize("codec", ["klt", "v2"])
def test_long_silence_makes_no_number_better(
    codec: str, tiny_model: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    short, long = _sounds(tmp_path / "sounds", write_sound)
    model = tiny_model
    if codec == "klt":
        model = train_codec(short, SETTINGS, architecture="klt").save(tmp_path / "model.distill")
    (start, epoch), (long_start, long_epoch) = _events(model, short), _events(model, long)
    assert 2.3 * start.code_count < long_start.code_count < 3.5 * start.code_count  # 6 s and not 10 beside 2
    assert long_start.unigram_perplexity > 0.75 * start.unigram_perplexity
    assert long_start.sibling_agreement < start.sibling_agreement + 0.15
    assert long_epoch.val_perplexity > 0.6 * epoch.val_perplexity
    assert long_epoch.known_perplexity > 0.6 * epoch.known_perplexity


@pytest.mark.parametrize("layout", ["rows", "chunks"])
def test_one_sound_is_split_before_the_silence_at_its_end(
    layout: Any, tiny_model: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    sound, _ = soundfile.read(write_sound(tmp_path / "short.wav", seed=1, seconds=4.0), dtype="float32")
    (tmp_path / "one").mkdir()
    soundfile.write(tmp_path / "one" / "long.wav", np.append(sound, np.zeros(20 * RATE, dtype=np.float32)), RATE)
    loaded = load_model_v2(tiny_model)
    silence_WHQ = codes_of_silence(loaded, layout, never)
    split = SoundEncoder(loaded, layout, silence_WHQ=silence_WHQ).split(scan(tmp_path / "one"), 0.3, 0)
    (known,), (held_out,) = split.train, split.val
    assert (known.has_end, held_out.has_end) == (False, True)
    assert known.steps + held_out.steps <= 5 * loaded.geometry.chunk_steps
    assert held_out.is_heard_W(silence_WHQ)[-1]
    assert int(held_out.is_heard_W(silence_WHQ).sum()) > held_out.steps // 2
