"""The state of a codec's training in epochs: plain values and tensors from a training, and a training from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

from distill_core.audio.dataset import AudioDataset
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.errors import ConfigError
from distill_core.events import ShouldStop, never
from distill_core.models.architectures import codec_of
from distill_core.training.codec.facts import codec_metadata, loss_curves, training_config
from distill_core.training.codec.run import CodecRun
from distill_core.training.codec.run_kind import history_of
from distill_core.training.codec.sums import CodecSums
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.words import CODEC
from distill_core.training.data.chunks import SplitSounds
from distill_core.training.events import Ended
from distill_core.training.keeper import WritingRule
from distill_core.training.run_folder.checks import reading_a_run
from distill_core.training.run_folder.format import common_values, ended_of, thinned
from distill_core.training.run_folder.reached import UNDER_WAY, has_best, part_of, require_best
from distill_core.training.snapshot import on_cpu, random_states, restore_random, written_once
from distill_core.training.under_way import going_on_from, order_of, values_under_way

PAUSE_IN_WRITING_S = 60.0


def _pause_s(writing_s: float) -> float:
    return PAUSE_IN_WRITING_S


# A codec gets better in most epochs, so a write of each best would leave no pause.
WRITING = WritingRule(_pause_s, each_best=False)


def sounds_digest(sounds: SplitSounds) -> str:
    """Return a digest that is equal only for the same chunks, split in the same way."""
    digest = blake2b(digest_size=16)
    for chunks_NT in (sounds.train_NT, sounds.val_NT):
        digest.update(repr(tuple(chunks_NT.shape)).encode())
        for chunk_T in chunks_NT:
            digest.update(chunk_T.contiguous().numpy().tobytes())
    return digest.hexdigest()


def state_of(
    run: CodecRun,
    digest: str,
    model_path: Path,
    dataset: AudioDataset,
    ended: Ended | None = None,
    should_stop: ShouldStop = never,
) -> dict[str, Any]:
    """Return the state after this epoch, or within it, with the best codec so far, if there is one.

    `ended` None: the training is under way. `digest` is that of the sounds.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    kept = thinned(run.history, (run.best.epoch, run.history[-1].epoch)) if run.history else []
    current = on_cpu(dict(run.learner.codec.state_dict()), should_stop)
    return {
        **common_values(run, CODEC, model_path, dataset, kept, ended),
        UNDER_WAY: values_under_way(run.under_way, run.learner.config.max_epochs),
        "config": asdict(run.learner.config),
        "sounds_digest": digest,
        "model_state_dict": run.best.state,
        "current_state_dict": written_once(current, (run.best.state,)),
        "vqvae_config": run.learner.vqvae_config,
        "spectrogram_config": asdict(run.learner.spectrogram.config),
        "training_config": training_config(run, dataset) if run.history else {},
        "metadata": codec_metadata(run, dataset) if run.history else {},
        "codebook_health_snapshot": None,
        "loss_curve_history": loss_curves(run.history),
        "roll_backs": run.roll_backs,
        **run.descent.state(should_stop),
        "random_states": random_states(order_of(run.under_way, run.generator.get_state())),
    }


def restore(run: CodecRun, digest: str, values: Mapping[str, Any]) -> None:
    """Set a run that has just begun to a state; on the same machine training goes on from there bit for bit.

    `digest` is that of the sounds.

    Raises:
        ConfigError: the state is of other sounds.
        ModelFileError: the state is damaged.
    """
    if values["sounds_digest"] != digest:
        raise ConfigError(
            "resume",
            "The sounds have changed since that training; nothing was changed.",
            "Train afresh, or keep the best codec that it found.",
        )
    run.run_id, run.roll_backs = values["run_id"], values["roll_backs"]
    run.history.extend(history_of(values))
    if has_best(values):
        best = next(metrics for metrics in run.history if metrics.epoch == values["best_epoch"])
        run.best.keep(dict(values["model_state_dict"]), best.val_loss, best.epoch)
    with reading_a_run():
        run.learner.codec.load_state_dict(values["current_state_dict"])
        run.descent.restore(values)
        restore_random(run.generator, values["random_states"])
        if part := part_of(values):
            order = run.generator.get_state()
            run.under_way = going_on_from(part, CodecSums.of(part), run.batches.count, order)


def trained_of(values: Mapping[str, Any]) -> TrainedCodec:
    """Return the result of a state, as if the training had been stopped there.

    Raises:
        ModelFileError: the state is damaged, or no epoch is finished.
    """
    require_best(values)
    spectrogram = AudioSpectrogram(SpectrogramConfig(**values["spectrogram_config"]))
    config, state = dict(values["vqvae_config"]), dict(values["model_state_dict"])
    return TrainedCodec(
        model=codec_of(config).from_state(config, spectrogram, state),
        spectrogram_config=spectrogram.config,
        vqvae_config=dict(values["vqvae_config"]),
        training_config=dict(values["training_config"]),
        metadata=dict(values["metadata"]),
        codebook_health=values.get("codebook_health_snapshot"),
        loss_curve_history=dict(values.get("loss_curve_history") or {}),
        history=tuple(history_of(values)),
        ended=ended_of(values),
        run_id=values["run_id"],
        is_kept=True,
    )
