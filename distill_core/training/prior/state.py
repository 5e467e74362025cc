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
from distill_core.events import ShouldStop, never, stop_point
from distill_core.models.architectures import PRIOR_CLASSES, architecture_of
from distill_core.models.persistence import now_utc
from distill_core.training.data.codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.loop import KeptWeights, Weights
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.facts import kept_epochs, kept_facts, prior_metadata
from distill_core.training.prior.optimizer_state import check_optimizer, check_schedule
from distill_core.training.prior.run import PriorRun
from distill_core.training.prior.trained import TrainedPrior, choices
from distill_core.training.run_folder.facts import Kind
from distill_core.training.run_folder.format import damaged_run, ended_of, reading_a_run, sounds_of
from distill_core.training.run_folder.kinds import file_prior_of, history_of


def codes_digest(codes: SplitCodes) -> str:
    """Return what is the same only for the same codes, split in the same way, with the same variants.

    It is of the codes in the format's order `[N, S, Q]`.
    """
    digest = blake2b(digest_size=16)
    for sounds in (*codes.versions, codes.val):
        for sound in sounds:
            digest.update(repr((tuple(sound.codes_NSQ.shape), sound.steps)).encode())
            digest.update(sound.codes_NSQ.contiguous().numpy().tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _on_cpu(value: Any, should_stop: ShouldStop) -> Any:
    """Return tensors on the CPU, in memory of their own: training goes on in the others."""
    if isinstance(value, Tensor):
        stop_point(should_stop)
        return value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, dict):
        return {key: _on_cpu(inner, should_stop) for key, inner in value.items()}
    is_row = isinstance(value, list | tuple)
    return type(value)(_on_cpu(inner, should_stop) for inner in value) if is_row else value


def _random_states(run: PriorRun) -> list[Tensor]:
    """Return the states of all random numbers that training draws: the order's, torch's, the graphics cards'."""
    states = [run.generator.get_state(), torch.get_rng_state()]
    return states + (torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])


def _written_once(current: Weights, known: Sequence[Weights]) -> Weights:
    """Return weights that are equal to known ones as those: a quarter less to write at each best."""
    for state in known:
        if state and all(torch.equal(value, state[key]) for key, value in current.items()):
            return state
    return current


def state_of(
    run: PriorRun,
    model_path: Path,
    dataset: AudioDataset,
    ended: Ended | None = None,
    should_stop: ShouldStop = never,
) -> dict[str, Any]:
    """Return all that going on after this epoch needs, and the weights to choose from; `ended` None: under way.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    current = _on_cpu(dict(run.prior.state_dict()), should_stop)
    best = next(metrics for metrics in run.history if metrics.epoch == run.best.epoch)
    return {
        "kind": Kind.PRIOR.value,
        "has_prior": True,
        "run_id": run.run_id,
        "model_path": str(model_path),
        "sounds": sounds_of(dataset),
        "written": now_utc(),
        "codec_digest": run.codec_digest,
        "codes_digest": codes_digest(run.codes),
        "joined": run.codes.joined,
        "number_format": run.format,
        "config": asdict(run.config),
        "vqvae_config": dict(run.vqvae_config),
        "prior_config": asdict(run.config) | run.prior.sizes(),
        "prior_metadata": prior_metadata(run, dataset) | kept_facts(best, Keep.BEST),
        "file_prior": None if run.file_prior is None else asdict(run.file_prior),
        "prior_state_dict": run.best.state,
        "last_state_dict": run.last.state,
        "before_memorizing_state_dict": run.before_memorizing.state,
        "current_state_dict": _written_once(current, (run.last.state, run.best.state)),
        "best_epoch": run.best.epoch,
        "before_memorizing_epoch": run.before_memorizing.epoch,
        "history": [asdict(metrics) for metrics in kept_epochs(run)],
        "roll_backs": run.roll_backs,
        "optimizer_states": _on_cpu(run.optimizer.states(), should_stop),
        "schedule": _on_cpu(run.scheduler.state_dict(), should_stop),
        "random_states": _on_cpu(_random_states(run), should_stop),
        "ended": "" if ended is None else ended.value,
    }


def _weights_of(values: dict[str, Any], history: Sequence[PriorEpochMetrics]) -> tuple[KeptWeights, ...]:
    """Return the best weights, the last, and the best before memorizing; an older run has the best ones only."""
    losses = {metrics.epoch: metrics.val_loss for metrics in history}
    kept = []
    for key, epoch in (
        ("prior_state_dict", values["best_epoch"]),
        ("last_state_dict", history[-1].epoch),
        ("before_memorizing_state_dict", values.get("before_memorizing_epoch", 0)),
    ):
        weights = KeptWeights()
        if values.get(key):
            if epoch not in losses:
                raise damaged_run()
            weights.keep(dict(values[key]), losses[epoch], epoch)
        kept.append(weights)
    return tuple(kept)


def restore(run: PriorRun, values: dict[str, Any]) -> None:
    """Let a run that has just begun go on where the state was taken, bit for bit on the same machine.

    Raises:
        ConfigError: it was taken with other sounds.
        ModelFileError: it is damaged.
    """
    if values["codes_digest"] != codes_digest(run.codes):
        raise ConfigError(
            "resume",
            "The sounds or the model have changed since that training; nothing was changed.",
            "Train afresh, or keep the best prior that it found.",
        )
    run.run_id, run.roll_backs = values["run_id"], values["roll_backs"]
    run.history.extend(history_of(values))
    run.best, run.last, run.before_memorizing = _weights_of(values, run.history)
    with reading_a_run():
        check_optimizer(run.optimizer, values["optimizer_states"])
        check_schedule(run.scheduler, values["schedule"])
        run.prior.load_state_dict(values["current_state_dict"])
        run.optimizer.restore(values["optimizer_states"])
        run.scheduler.load_state_dict(values["schedule"])
        _restore_random(run, values["random_states"])


def _restore_random(run: PriorRun, states: Sequence[Tensor]) -> None:
    run.generator.set_state(states[0])
    torch.set_rng_state(states[1])
    for index, state in enumerate(states[2 : 2 + torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)


def trained_of(values: dict[str, Any]) -> TrainedPrior:
    """Return the result of an unfinished training, as if it had been stopped there.

    Raises:
        ModelFileError: it is damaged.
    """
    history = history_of(values)
    best, last, before_memorizing = _weights_of(values, history)
    config = dict(values["prior_config"])
    prior_class = PRIOR_CLASSES[architecture_of(config)]
    prior = prior_class.from_state(config, values["vqvae_config"]["codebook_size"], dict(best.state))
    ended = ended_of(values)
    return TrainedPrior(
        prior,
        config,
        dict(values["prior_metadata"]) | {"ended": ended.value},
        tuple(history),
        ended,
        values["run_id"],
        is_kept=True,
        weights=choices(best, last, before_memorizing),
        file_prior=file_prior_of(values),
    )
