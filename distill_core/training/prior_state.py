"""A prior's training as plain values and tensors, and back: what the run folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset
from distill_core.errors import ConfigError
from distill_core.models.architectures import Prior
from distill_core.training.codes import SplitCodes
from distill_core.training.metrics import PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior_run import PriorRun, prior_metadata


def codes_digest(codes: SplitCodes) -> str:
    """Return what is the same only for the same codes, split in the same way."""
    digest = blake2b(digest_size=16)
    for sounds in (*codes.versions, codes.val):
        for codes_NSQ in sounds:
            digest.update(repr(tuple(codes_NSQ.shape)).encode())
            digest.update(codes_NSQ.numpy().tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _on_cpu(value: Any) -> Any:
    """Return tensors on the CPU, in memory of their own: training goes on in the others."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, dict):
        return {key: _on_cpu(inner) for key, inner in value.items()}
    return type(value)(map(_on_cpu, value)) if isinstance(value, list | tuple) else value


def _random_states(run: PriorRun) -> list[Tensor]:
    """Return the states of all random numbers that training draws: the order's, torch's, the graphics cards'."""
    states = [run.generator.get_state(), torch.get_rng_state()]
    return states + (torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])


def state_of(
    run: PriorRun, model_path: Path, dataset: AudioDataset, start: PriorTrainingStartEvent, *, has_ended: bool = False
) -> dict[str, Any]:
    """Return all that going on after this epoch needs, and the best prior so far as a model file would hold it."""
    current = _on_cpu(dict(run.prior.state_dict()))
    if all(torch.equal(value, run.best.state[key]) for key, value in current.items()):
        current = run.best.state  # written once: a quarter less at each best
    return {
        "run_id": run.run_id,
        "model_path": str(model_path),
        "sounds_path": str(dataset.folder.resolve()),
        "codes_digest": codes_digest(run.codes),
        "config": asdict(run.config),
        "vqvae_config": dict(run.vqvae_config),
        "prior_config": asdict(run.config) | run.prior.sizes(),
        "prior_metadata": prior_metadata(run, dataset, start),
        "prior_state_dict": run.best.state,
        "current_state_dict": current,
        "best_loss": run.best.loss,
        "best_epoch": run.best.epoch,
        "history": [asdict(metrics) for metrics in run.history],
        "roll_backs": run.roll_backs,
        "optimizer_states": _on_cpu(run.optimizer.states()),
        "schedule": _on_cpu(run.scheduler.state_dict()),
        "random_states": _on_cpu(_random_states(run)),
        "has_ended": has_ended,
    }


def history_of(values: dict[str, Any]) -> list[PriorEpochMetrics]:
    """Return the epochs that a run's state tells of."""
    return [PriorEpochMetrics(**metrics) for metrics in values["history"]]


def restore(run: PriorRun, values: dict[str, Any]) -> None:
    """Let a run that has just begun go on where the state was taken, bit for bit on the same machine.

    Raises:
        ConfigError: it was taken with other sounds.
    """
    if values["codes_digest"] != codes_digest(run.codes):
        raise ConfigError(
            "resume",
            "The sounds or the model have changed since that training; nothing was changed.",
            "Train afresh, or keep the best prior that it found.",
        )
    run.run_id = values["run_id"]
    run.prior.load_state_dict(values["current_state_dict"])
    run.best.loss, run.best.epoch = values["best_loss"], values["best_epoch"]
    run.best.state = values["prior_state_dict"]
    run.history.extend(history_of(values))
    run.roll_backs = values["roll_backs"]
    run.optimizer.restore(values["optimizer_states"])
    run.scheduler.load_state_dict(values["schedule"])
    _restore_random(run, values["random_states"])


def _restore_random(run: PriorRun, states: Sequence[Tensor]) -> None:
    run.generator.set_state(states[0])
    torch.set_rng_state(states[1])
    for index, state in enumerate(states[2 : 2 + torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)


def best_prior(values: dict[str, Any], prior_class: type[Any]) -> Prior:
    """Build the best prior of a run's state, in eval mode on the CPU."""
    codebook_size = values["vqvae_config"]["codebook_size"]
    prior: Prior = prior_class.from_state(values["prior_config"], codebook_size, dict(values["prior_state_dict"]))
    return prior
