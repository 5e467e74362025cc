"""Weights that are no numbers are never kept, also where the loss does not show them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from distill_core import train_prior
from distill_core.training.codec.train import train_codec
from distill_core.training.events import RolledBack, StepMetrics
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.saving import save_and_finish

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 3, "patience": 0, "variants": 0}


class Spoiler:
    """A listener that puts a wrong number into a network's first weights once, in its second epoch."""

    def __init__(self, wrong: float) -> None:
        self.rolled_back: list[RolledBack] = []
        self._wrong, self._weights = wrong, list[torch.Tensor]()

    def see(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        self._weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def __call__(self, event: object) -> None:
        if isinstance(event, RolledBack):
            self.rolled_back.append(event)
        if isinstance(event, StepMetrics) and event.epoch == 2 and event.step == event.total_steps and self._weights:
            with torch.no_grad():
                self._weights[0].view(-1)[0] = self._wrong
            self._weights = []


def finite(network: torch.nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in network.state_dict().values() if value.is_floating_point())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_prior_with_a_wrong_weight_is_rolled_back(
    tiny_model: Path, sounds_folder: Path, architecture: str, wrong: float
) -> None:
    spoiler, run_folder = Spoiler(wrong), prior_runs(tiny_model)
    handle = register_optimizer_step_post_hook(spoiler.see)
    try:
        given = {"on_event": spoiler, "run_folder": run_folder, "use_cache": False}
        trained = train_prior(tiny_model, sounds_folder, SMALL | {"architecture": architecture}, **given)
    finally:
        handle.remove()
    assert [event.epoch for event in spoiler.rolled_back] == [2]
    assert trained.prior is not None
    assert finite(trained.prior)
    save_and_finish(trained, tiny_model, run_folder=run_folder)


@pytest.mark.parametrize("architecture", ["klt", "v2"])
def test_a_codec_with_a_wrong_weight_is_rolled_back(sounds_folder: Path, tmp_path: Path, architecture: str) -> None:
    spoiler, model = Spoiler(math.inf), tmp_path / "new.distill"
    handle = register_optimizer_step_post_hook(spoiler.see)
    try:
        given = {"on_event": spoiler, "run_folder": codec_runs(model), "architecture": architecture}
        trained = train_codec(sounds_folder, {"max_epochs": 4, "codebook_size": 8, "num_quantizers": 2}, **given)
    finally:
        handle.remove()
    assert trained.model is not None
    assert [event.epoch for event in spoiler.rolled_back] == [2]
    assert finite(trained.model)
    trained.save(model)
