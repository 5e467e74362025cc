"""The state of a prior's training: plain values and tensors from a training, and a training from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device
from distill_core.errors import ConfigError
from distill_core.events import ShouldStop, never
from distill_core.models.architectures import PRIORS, architecture_of
from distill_core.training.batch_parts import BATCH_PARTS
from distill_core.training.data.sound_codes import by_band
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.keeper import PAUSE_IN_WRITING_TIMES, WritingRule
from distill_core.training.loop import KeptWeights
from distill_core.training.optimizer_state import (
    ADAM_MOMENTS,
    check_optimizers,
    check_schedule,
)
from distill_core.training.prior.continuation import Continuation
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.facts import kept_epochs, kept_facts, prior_metadata
from distill_core.training.prior.kept import Kept
from distill_core.training.prior.muon import Muon
from distill_core.training.prior.run import PriorRun
from distill_core.training.prior.run_kind import file_prior_of, history_of, temperatures_of
from distill_core.training.prior.sums import PriorSums
from distill_core.training.prior.trained import TrainedPrior
from distill_core.training.prior.words import PRIOR
from distill_core.training.run_folder.checks import damaged_run, reading_a_run
from distill_core.training.run_folder.format import common_values, ended_of
from distill_core.training.run_folder.reached import UNDER_WAY, last_epoch, part_of, require_best
from distill_core.training.settings import MOST_EPOCHS
from distill_core.training.snapshot import on_cpu, random_states, restore_random, written_once
from distill_core.training.under_way import going_on_from, order_of, values_under_way

_MOMENTS = {**ADAM_MOMENTS, Muon: {"momentum_buffer"}}

KNOWS_SILENCE = "knows_silence"  # the key of whether steps of silence count in no number of a run
KNOWS_NEAR_COPIES = "knows_near_copies"  # the key of whether sounds that are nearly the same stayed on one side
PATIENT_FROM = "patient_from"  # the key of the epoch from which patience counts, if it is later than the best
NO_CODE = -1  # in the place of the codes of silence, where silence is a sound like any other


def _pause_s(writing_s: float) -> float:
    return PAUSE_IN_WRITING_TIMES * writing_s


# Each best epoch is written: with the demo's sounds and the prior that they get (11 MB a state) 29 of 40 epochs were
# one, at 55 ms each, 12 % of the training time; the tiniest prior, with epochs of 70 ms, pays a third. Some of the
# other epochs are left out if they are shorter than a write: a crash then costs a few writing times.
WRITING = WritingRule(_pause_s, each_best=True)


def codes_digest(codes: SplitCodes, chunk_steps: int | None) -> str:
    """Return a digest that is equal only for the same codes, split in the same way, with the same variants.

    It takes the codes in the format's order `[N, S, Q]`, as in former versions; `chunk_steps` None: each sound is one
    row.
    """
    if chunk_steps not in codes.digests:
        codes.digests[chunk_steps] = _digest_of(codes, chunk_steps)
    return codes.digests[chunk_steps]


def _digest_of(codes: SplitCodes, chunk_steps: int | None) -> str:
    digest = blake2b(digest_size=16)
    for sounds in chain(codes.versions, [codes.val]):
        for sound in sounds:
            codes_NSQ = by_band(sound.codes_WHQ, chunk_steps or len(sound.codes_WHQ))
            digest.update(repr((tuple(codes_NSQ.shape), sound.steps)).encode())
            digest.update(codes_NSQ.contiguous().numpy().tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def temperatures_in(run: PriorRun) -> dict[Keep, float]:
    """Return the temperature of each of the weights to choose from, as far as it is known."""
    found = {which: run.temperatures.get(weights.epoch) for which, weights in run.kept.choices.items()}
    return {which: temperature for which, temperature in found.items() if temperature is not None}


def state_of(
    run: PriorRun,
    model_path: Path,
    dataset: AudioDataset,
    ended: Ended | None = None,
    should_stop: ShouldStop = never,
) -> dict[str, Any]:
    """Return the state after this epoch, or within it, with the weights to choose from, if there are any.

    `ended` None: the training is under way.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    current = on_cpu(dict(run.prior.state_dict()), should_stop)
    kept = kept_epochs(run) if run.history else []
    return {
        **common_values(run, PRIOR, model_path, dataset, kept, ended, codec_digest=run.codec_digest),
        UNDER_WAY: values_under_way(run.under_way, run.config.max_epochs),
        "has_prior": True,
        "codes_digest": codes_digest(run.codes, run.chunk_steps),
        "joined": run.codes.joined,
        KNOWS_SILENCE: bool((run.silence_WHQ != NO_CODE).all()),
        KNOWS_NEAR_COPIES: run.codes.near_copies is not None,
        "number_format": run.format,
        "device": describe_device(next(run.prior.parameters()).device),
        "config": asdict(run.config),
        "vqvae_config": dict(run.vqvae_config),
        "prior_config": asdict(run.config) | run.prior.sizes(),
        "prior_metadata": _metadata(run, dataset),
        "file_prior": None if run.file_prior is None else asdict(run.file_prior),
        "prior_state_dict": run.best.state,
        "last_state_dict": run.last.state,
        "before_memorizing_state_dict": run.before_memorizing.state,
        "current_state_dict": written_once(current, (run.last.state, run.best.state)),
        "before_memorizing_epoch": run.before_memorizing.epoch,
        "temperatures": {which.value: temperature for which, temperature in temperatures_in(run).items()},
        "roll_backs": run.roll_backs,
        BATCH_PARTS: run.batch_parts.count,
        PATIENT_FROM: run.patient_from,
        "optimizer_states": on_cpu(run.optimizer.states(), should_stop),
        "schedule": on_cpu(run.scheduler.state_dict(), should_stop),
        "random_states": random_states(order_of(run.under_way, run.generator.get_state())),
    }


def _metadata(run: PriorRun, dataset: AudioDataset) -> dict[str, Any]:
    """Return the facts of the best epoch as the file holds them, empty without one."""
    best = next((metrics for metrics in run.history if metrics.epoch == run.best.epoch), None)
    return {} if best is None else prior_metadata(run, dataset) | kept_facts(best, Keep.BEST)


def _weights_of(values: dict[str, Any], history: Sequence[PriorEpochMetrics]) -> Kept:
    """Return the weights of a run; an older Distill's has only the best."""
    losses = {metrics.epoch: metrics.val_loss for metrics in history}
    kept = []
    for key, epoch in (
        ("prior_state_dict", values["best_epoch"]),
        ("last_state_dict", history[-1].epoch if history else 0),
        ("before_memorizing_state_dict", values.get("before_memorizing_epoch", 0)),
    ):
        weights = KeptWeights()
        if values.get(key):
            if epoch not in losses:
                raise damaged_run()
            weights.keep(dict(values[key]), losses[epoch], epoch)
        kept.append(weights)
    return Kept(*kept)


def restore(run: PriorRun, values: dict[str, Any]) -> None:
    """Set a run that has just begun to a state; on the same machine training goes on from there bit for bit.

    Raises:
        ConfigError: the state is of other codes.
        ModelFileError: the state is damaged.
    """
    if values["codes_digest"] != codes_digest(run.codes, run.chunk_steps):
        raise ConfigError(
            "resume",
            "The sounds or the model have changed since that training; nothing was changed.",
            "Train afresh, or keep the best prior that it found.",
        )
    run.run_id, run.roll_backs = values["run_id"], values["roll_backs"]
    run.patient_from = values.get(PATIENT_FROM, 0)  # a former version's run has none
    run.history.extend(history_of(values))
    kept = _weights_of(values, run.history)
    run.best, run.last, run.before_memorizing = kept.best, kept.last, kept.before_memorizing
    temperatures = temperatures_of(values)
    run.temperatures.update({kept.choices[which].epoch: temperatures[which] for which in temperatures})
    with reading_a_run():
        run.batch_parts.restore(values)
        check_optimizers(run.optimizer.parts, values["optimizer_states"], _MOMENTS)
        check_schedule(run.scheduler, values["schedule"])
        run.prior.load_state_dict(values["current_state_dict"])
        run.optimizer.restore(values["optimizer_states"])
        run.scheduler.load_state_dict(values["schedule"])
        restore_random(run.generator, values["random_states"])
        if part := part_of(values):
            order = run.generator.get_state()
            run.under_way = going_on_from(part, PriorSums.of(part), len(run.train_windows), order)


def going_on(values: dict[str, Any], how: Continuation) -> dict[str, Any]:
    """Return the state that a training goes on with; another patience than the run's counts from there.

    With more epochs its learning rate climbs back to where the cosine of all epochs has it.
    """
    last, before = last_epoch(values), values["config"]
    config = {**before, **how.limits}
    if how.further and last >= config["max_epochs"]:
        config["max_epochs"] = min(2 * config["max_epochs"], MOST_EPOCHS)
    is_patient_anew = how.further or config.get("patience") != before.get("patience")
    return {**values, "config": config} | ({PATIENT_FROM: last} if is_patient_anew else {})


def trained_of(values: dict[str, Any]) -> TrainedPrior:
    """Return the result of a state, as if the training had been stopped there.

    Raises:
        ModelFileError: the state is damaged, or no epoch is finished.
    """
    require_best(values)
    history = history_of(values)
    kept = _weights_of(values, history)
    config = dict(values["prior_config"])
    prior_class = PRIORS[architecture_of(config)].load()
    prior = prior_class.from_state(config, values["vqvae_config"]["codebook_size"], dict(kept.best.state))
    ended = ended_of(values)
    return TrainedPrior(
        prior,
        config,
        dict(values["prior_metadata"]) | {"ended": ended.value},
        tuple(history),
        ended,
        values["run_id"],
        is_kept=True,
        weights=kept.choices,
        file_prior=file_prior_of(values),
        temperatures=temperatures_of(values),
    )
