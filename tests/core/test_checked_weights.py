"""Weights that no training leaves behind are refused when a file is opened, or before a training is begun."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from distill_core import CodePrior, ModelFileError, load_model_v2, read_summary, save_prior_to_model, train_prior
from distill_core.files.archive import read_facts
from distill_core.models import schema
from distill_core.models.frames import FramesPrior
from distill_core.models.value_reader import ValueReader
from distill_core.models.vqvae import ConvVQVAE

ROOT = Path(__file__).parents[2]
CONFIG = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
VARIANCE = "encoder.convs.5.running_var"
COUNTS = "quantizer.rvq.layers.0._codebook.cluster_size"


@pytest.fixture
def model_with_prior(tiny_model: Path) -> Path:
    torch.manual_seed(0)
    return save_prior_to_model(tiny_model, CodePrior(16, 2, 96, 32, 1, 2), CONFIG, {})


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values = torch.load(path, weights_only=True)
    change(values)
    torch.save(values, path)
    return path


def _mask(change: Callable[[torch.Tensor], object]) -> Callable[[dict[str, Any]], None]:
    return lambda values: change(values["prior_state_dict"]["causal_mask"])


@pytest.mark.parametrize(
    "change",
    [
        _mask(lambda mask: mask.zero_()),
        _mask(lambda mask: mask.fill_(True)),
        _mask(lambda mask: mask[7, 8].fill_(False)),
        _mask(lambda mask: mask[95, 95].fill_(True)),
        _mask(lambda mask: mask[95, 0].fill_(True)),
    ],
)
def test_a_mask_that_is_not_causal_is_refused(model_with_prior: Path, change: Any) -> None:
    _change(model_with_prior, change)
    with pytest.raises(ModelFileError, match="causal_mask"):
        load_model_v2(model_with_prior)


def test_the_mask_of_the_longest_prior_is_checked_in_little_memory() -> None:
    longest = 3000  # some blocks, and a rest
    mask = torch.ones(longest, longest, dtype=torch.bool).triu(1)
    CodePrior.check_numbers({"causal_mask": mask}, ValueReader("x"))
    for row, column in ((0, 1), (1023, 1023), (1024, 0), (longest - 1, longest - 1)):
        mask[row, column] ^= True
        with pytest.raises(ModelFileError):
            CodePrior.check_numbers({"causal_mask": mask}, ValueReader("x"))
        mask[row, column] ^= True


@pytest.mark.parametrize("key", [VARIANCE, COUNTS])
def test_a_variance_or_a_count_below_zero_is_refused(tiny_model: Path, key: str) -> None:
    _change(tiny_model, lambda values: values["model_state_dict"][key].view(-1)[3:4].fill_(-1e-3))
    with pytest.raises(ModelFileError, match=key):
        load_model_v2(tiny_model)
    with pytest.raises(ModelFileError, match=key):
        save_prior_to_model(tiny_model, CodePrior(16, 2, 96, 32, 1, 2), CONFIG, {})


def _one_code(values: dict[str, Any]) -> None:
    """Let every sound end where the first one does: the projection has no weights, only a bias."""
    values["model_state_dict"]["encoder.proj.weight"].zero_()


def _equal_codes(values: dict[str, Any]) -> None:
    for level in range(2):
        values["model_state_dict"][f"quantizer.rvq.layers.{level}._codebook.embed"].fill_(0.5)


def _blind(values: dict[str, Any]) -> None:
    """Let no sound reach the codes, which still differ at the edges: the first layer gives nothing."""
    for key, weight in values["model_state_dict"].items():
        if key.startswith("encoder.convs.0"):
            weight.zero_()


def test_a_sound_and_its_beginning_are_no_blind_model(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one sound, twice"
    folder.mkdir()
    noise = np.random.default_rng(0).standard_normal(48_000 * 8) * np.linspace(1, 0.01, 48_000 * 8) / 8
    sweep = np.sin(np.cumsum(np.linspace(0.01, 2, 48_000 * 8))) / 2
    for name, seconds in (("long", 8), ("short", 4)):
        soundfile.write(folder / f"{name}.wav", (noise + sweep)[: 48_000 * seconds], 48_000)
    settings = CONFIG | {"max_epochs": 1, "architecture": "flat"}  # whose seconds are the same in both
    assert train_prior(tiny_model, folder, settings).prior is not None


@pytest.mark.parametrize("change", [_one_code, _equal_codes, _blind])
@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_model_that_gives_every_sound_one_code_is_told_before_training(
    tiny_model: Path, sounds_folder: Path, change: Any, architecture: str
) -> None:
    _change(tiny_model, change)
    events: list[object] = []
    with pytest.raises(ModelFileError, match="the same code") as refused:
        train_prior(tiny_model, sounds_folder, CONFIG | {"architecture": architecture}, on_event=events.append)
    assert refused.value.hint
    assert not any("Training" in type(event).__name__ or "Step" in type(event).__name__ for event in events)


# What the facts already tell


def _shorter(values: dict[str, Any]) -> None:
    values["model_state_dict"]["encoder.proj.bias"] = torch.zeros(15)


def _without_a_weight(values: dict[str, Any]) -> None:
    del values["prior_state_dict"]["ln_f.weight"]


def _other_kind(values: dict[str, Any]) -> None:
    values["prior_state_dict"]["head.weight"] = values["prior_state_dict"]["head.weight"].double()


@pytest.mark.parametrize("change", [_shorter, _without_a_weight, _other_kind])
def test_a_card_refuses_what_training_would_refuse(model_with_prior: Path, change: Any) -> None:
    _change(model_with_prior, change)
    with pytest.raises(ModelFileError) as by_training:
        load_model_v2(model_with_prior)
    with pytest.raises(ModelFileError) as by_card:
        read_summary(model_with_prior)
    assert by_card.value.message == by_training.value.message


def _layout(state: dict[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in state.items()}


@pytest.mark.parametrize(("dim", "size", "levels"), [(16, 16, 2), (128, 256, 3), (1, 2, 1)])
def test_the_shapes_that_are_told_are_those_of_the_networks(dim: int, size: int, levels: int) -> None:
    sizes = {"codebook_dim": dim, "codebook_size": size, "num_quantizers": levels}
    assert ConvVQVAE.shapes(sizes) == _layout(ConvVQVAE(**sizes).state_dict())
    flat, frames = CodePrior(size, levels, 24 * levels, 32, 2, 4), FramesPrior(size, levels, 4, 6, 32, 2, 4)
    for prior in (flat, frames):
        assert type(prior).shapes(prior.sizes(), size) == _layout(prior.state_dict())


def test_the_facts_of_a_file_are_read_without_building_a_network(model_with_prior: Path) -> None:
    program = "import sys; from distill_core import read_summary; read_summary(sys.argv[1]); print(*sys.modules)"
    command = [sys.executable, "-c", program, str(model_with_prior)]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    # Seconds, for what no fact needs.
    assert not {"vector_quantize_pytorch", "torch._dynamo"} & set(loaded)


def test_real_files_pass(model_with_prior: Path) -> None:
    for path in (ROOT / "tests/data/ref_small_prior.distill", ROOT / "resources/demo/demo.distill", model_with_prior):
        assert read_summary(path).parameters
        assert load_model_v2(path).model
        schema.check_shapes(read_facts(path)[0], path.name)
