"""The choice of a device, and its failures, in words: by what torch really raises."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from distill_core import ConfigError, NotEnoughMemoryError, TrainingError
from distill_core.device import describe_device, device_in_words, device_to_go_on_with, resolve_device
from distill_core.memory import memory_in_words
from distill_core.training.optimizer_state import adam_w, check_optimizers, load_state, portable_state
from distill_core.training.words import computing_words

HAS_CUDA, HAS_MPS = torch.cuda.is_available(), torch.backends.mps.is_available()


def test_auto_prefers_a_graphics_card() -> None:
    expected = "cuda" if HAS_CUDA else "mps" if HAS_MPS else "cpu"
    assert resolve_device("auto").type == expected
    assert resolve_device("cpu").type == "cpu"
    assert describe_device(torch.device("cpu")).startswith("CPU, ")
    assert computing_words("CPU, 7 threads") == "Computing on CPU, 7 threads, float32."


@pytest.mark.parametrize("name", [name for name, has in (("cuda", HAS_CUDA), ("mps", HAS_MPS)) if not has])
def test_a_device_that_is_not_there_is_said_so(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no “{name}” device") as refused:
        resolve_device(name)
    assert "cpu" in refused.value.hint
    assert device_to_go_on_with(name) == resolve_device("auto")  # a run of another computer


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_more_processes_than_cards_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a computer that has one card, as far as torch tells."""
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for variable, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match="2 processes were started here for 1 graphics card") as refused:
        resolve_device(name)
    assert "--nproc-per-node" in refused.value.hint


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch knows CUDA")
def test_torch_without_cuda_is_the_reason() -> None:
    with pytest.raises(ConfigError, match="without NVIDIA's CUDA"):
        resolve_device("cuda")


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: torch.zeros(1, device="mps"), marks=pytest.mark.skipif(HAS_MPS, reason="it has one")),
        pytest.param(lambda: torch.zeros(1, device="cuda"), marks=pytest.mark.skipif(HAS_CUDA, reason="it has one")),
        lambda: _raise(torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device")),
        lambda: _raise(TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't")),
        lambda: _raise(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")),
    ],
)
def test_a_card_that_fails_is_no_bug_and_names_the_way_out(work: Callable[[], object]) -> None:
    words = "The graphics card can't go on: .*Your files are unchanged"
    with pytest.raises(TrainingError, match=words) as told, device_in_words():
        work()
    assert "--device cpu" in told.value.hint
    assert len(told.value.message) < 300


def test_other_errors_pass_as_they_are() -> None:
    for error in (RuntimeError("a bug"), KeyError("CUDA"), ConfigError("device", "no CUDA here")):
        with pytest.raises(type(error)) as told, device_in_words():
            raise error
        assert told.value is error
    with pytest.raises(NotEnoughMemoryError), device_in_words(), memory_in_words("train"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def test_a_state_of_one_way_to_compute_goes_on_in_another() -> None:
    torch.manual_seed(0)
    begun = [torch.nn.Parameter(torch.randn(4, 3)) for _ in range(2)]
    fused = torch.optim.AdamW(begun, lr=0.1, fused=True)
    for weight in begun:
        weight.grad = torch.ones_like(weight)
    fused.step()
    plain = adam_w([torch.nn.Parameter(weight.detach().clone()) for weight in begun], 0.1, 0.01)
    for optimizer in (plain, fused):
        optimizer.param_groups[0]["initial_lr"] = 0.1  # as a schedule notes it
    check_optimizers([plain], [portable_state(fused)])
    load_state(plain, copy.deepcopy(portable_state(fused)))
    assert plain.param_groups[0]["fused"] is None
    load_state(fused, copy.deepcopy(portable_state(plain)))
    assert fused.param_groups[0]["fused"] is True
    for optimizer in (plain, fused):
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad = torch.full_like(weight, 0.5)
        optimizer.step()
    for one, other in zip(plain.param_groups[0]["params"], begun, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
