"""The counterfactual proof that a take depends on a sound: its prior trained again without it, and without another."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import monotonic, perf_counter

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset, AudioFile
from distill_core.audit.events import ProofProgress
from distill_core.audit.judge import Judge
from distill_core.audit.learned import LearnedSounds, read_learned, training_split
from distill_core.audit.take import sounds_of
from distill_core.audit.verdict import LEAST_FILES
from distill_core.device import resolve_device
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ShouldStop, ignore, never, unless_stopped
from distill_core.generation.plan import require_prior
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.prior import Prior
from distill_core.text import LONGEST_NAME, file_name, printable
from distill_core.training.data.near_copies import near_copies
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.events import StepMetrics
from distill_core.training.prior.retraining import Retraining, prepare_retraining
from distill_core.training.prior.validation import heard_losses

SEEDS = 3
_TIMES_SPREAD = 2.0
# Of the take's length in nats without the suspect: any sound helps a little to learn any other, and does so steadily.
_LEAST_SHARE = 0.1
_ARMS = 3  # trainings of a seed: with all sounds, without the suspect, without the control
_PROGRESS_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Proof:
    """How likely a take is to priors that learned from all sounds, and to those that did without one.

    `whole`, `without` and `without_control` are log-likelihoods in nats a second, one for each seed: of the prior that
    learned from all sounds, without the suspect, and without another sound, chosen at random. `copies` are the names of
    sounds that were left out with the suspect, as they hold the same sound. `seconds` is the time that it took.
    """

    suspect: AudioFile
    control: AudioFile
    whole: tuple[float, ...]
    without: tuple[float, ...]
    without_control: tuple[float, ...]
    copies: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def drops(self) -> tuple[float, ...]:
        """Each seed's loss of likelihood without the suspect, in nats a second."""
        return tuple(whole - without for whole, without in zip(self.whole, self.without, strict=True))

    @property
    def control_drops(self) -> tuple[float, ...]:
        """Each seed's loss of likelihood without the control, in nats a second."""
        return tuple(whole - without for whole, without in zip(self.whole, self.without_control, strict=True))

    @property
    def drop(self) -> float:
        """The mean loss of likelihood without the suspect."""
        return fmean(self.drops)

    @property
    def control_drop(self) -> float:
        """The mean loss of likelihood without the control."""
        return fmean(self.control_drops)

    @property
    def excess(self) -> float:
        """The drop without the suspect over that without the control, in nats a second.

        A take that gets likelier without the control makes no suspect of another sound.
        """
        return self.drop - max(0.0, self.control_drop)

    @property
    def spread(self) -> float:
        """The standard deviation of the difference of two trainings of one seed, NaN for a single seed.

        It comes from what all trainings leave unexplained by their sounds and their seeds: that of three differences
        alone is now and then far too small by chance.
        """
        arms = (self.whole, self.without, self.without_control)
        by_seed = [fmean(values) for values in zip(*arms, strict=True)]
        degrees = (len(arms) - 1) * (len(by_seed) - 1)
        left = [value - fmean(arm) - seed for arm in arms for value, seed in zip(arm, by_seed, strict=True)]
        mean = fmean(by_seed)
        return math.sqrt(2 * sum((value + mean) ** 2 for value in left) / degrees) if degrees else math.nan

    @property
    def depends(self) -> bool:
        """Whether the take depends on the suspect: its drop exceeds the control's by more than twice the spread.

        The excess is at least a tenth of the nats that the take has without the suspect, too.
        """
        is_large = self.excess >= -_LEAST_SHARE * fmean(self.without)
        return is_large and self.excess > _TIMES_SPREAD * self.spread

    @property
    def sentence(self) -> str:
        """The finding and its numbers, in a sentence."""
        name = printable(self.suspect.name, LONGEST_NAME)
        lead = "This take depends on" if self.depends else "There is no proof that this take depends on"
        control = printable(self.control.name, LONGEST_NAME)
        return (
            f"{lead} {name}: without it, it is {_nats(self.drop)} nats a second {_less(self.drop)} likely; without "
            f"{control}, {_nats(self.control_drop)} {_less(self.control_drop)} (spread {_nats(self.spread)})."
        )


def _nats(value: float) -> str:
    return f"{abs(value):.1f}"


def _less(drop: float) -> str:
    return "less" if drop >= 0 else "more"


def _sounds_of_take(codes_WHQ: Tensor, ends: Sequence[int], prompt_steps: int) -> list[SoundCodes]:
    return [SoundCodes.whole(sound_WHQ.cpu().long()) for _, sound_WHQ in sounds_of(codes_WHQ, ends, prompt_steps)]


def _check_take(loaded: LoadedVQModel, sounds: Sequence[SoundCodes]) -> None:
    """Check that a take can be judged by a model.

    Raises:
        DatasetError: it is too short, or another model's.
    """
    if sum(sound.count for sound in sounds) < 2:
        raise DatasetError("The take is too short to judge.", "Make a longer one.")
    geometry, codes_PHQ = loaded.geometry, torch.cat([sound.codes_WHQ for sound in sounds])
    of_this_codec = codes_PHQ.shape[1:] == (geometry.bands, geometry.levels)
    if not of_this_codec or not bool(((codes_PHQ >= 0) & (codes_PHQ < loaded.model.codebook_size)).all()):
        raise DatasetError("The take is of another model, so this one can't judge it.", "Name the model that made it.")


def _checked_split(loaded: LoadedVQModel, dataset: AudioDataset) -> tuple[tuple[AudioFile, ...], tuple[AudioFile, ...]]:
    """Return the files that a model's prior learned from, and those held out; other ones are left out.

    Raises:
        DatasetError: some are missing, or there are too few for a proof.
    """
    metadata = loaded.prior_metadata or {}
    train_files, val_files, missing = training_split(dataset, loaded.prior_config or {}, metadata)
    count = metadata.get("dataset_file_count")
    if missing or (type(count) is int and count > len(train_files) + len(val_files)):
        raise DatasetError(
            f"These are not the sounds that “{file_name(loaded.path)}” learned from: some of those are missing.",
            "Name the folders and files of its training.",
        )
    if len({file.digest for file in train_files}) < LEAST_FILES:
        counted = "is 1" if len(train_files) == 1 else f"are {len(train_files)}"
        raise DatasetError(
            f"A proof takes {LEAST_FILES} different sounds or more that the model learned from, and there {counted}.",
            "Train it on more sounds.",
        )
    return train_files, val_files


def _suspect(files: Sequence[AudioFile], wanted: AudioFile | str) -> AudioFile:
    """Return the training file that is meant, by its sound, or by its name with or without folders.

    Raises:
        DatasetError: the model did not learn from it.
    """
    if isinstance(wanted, AudioFile):
        found = [file for file in files if file.digest == wanted.digest]
    else:
        found = [file for file in files if file.name == wanted] or [
            file for file in files if Path(file.name).name == wanted
        ]
    if not found:
        name = printable(wanted if isinstance(wanted, str) else wanted.name, LONGEST_NAME)
        raise DatasetError(
            f"The model did not learn from “{name}”: there is no such sound, or it was kept aside.",
            "Name one of the sounds that it learned from.",
        )
    return found[0]


def _control(files: Sequence[AudioFile], suspect: AudioFile, left_out: Collection[str], seed: int) -> AudioFile:
    """Return a random one among the sounds nearest in length to the suspect, never one of those left out with it.

    Raises:
        DatasetError: all others hold the same sound.
    """
    others = [file for file in files if file.digest not in left_out]
    if len({file.digest for file in others}) < LEAST_FILES - 1:
        raise DatasetError("Nearly all of these sounds are one sound, so there is none to compare it with.")
    others.sort(key=lambda file: abs(math.log(file.duration_s / suspect.duration_s)))
    return random.Random(seed).choice(others[: max(2, len(others) // 2)])


def _same_sound(retraining: Retraining, suspect: AudioFile) -> set[str]:
    """Return the digests of training sounds that are the suspect under other names, or nearly so, and its own."""
    codes = retraining.codes
    own = next(number for number, file in enumerate(codes.train_files) if file.digest == suspect.digest)
    groups = near_copies(codes.train, retraining.silence_WHQ)
    found = next((group for group in groups if own in group), ())
    return {suspect.digest, *(codes.train_files[number].digest for number in found)}


def _most_agreeing(
    loaded: LoadedVQModel, learned: LearnedSounds, sounds: Sequence[SoundCodes], should_stop: ShouldStop
) -> AudioFile | None:
    judge, agreeing = Judge(loaded.model, loaded.geometry.step_s, learned), Counter[AudioFile]()
    for sound in unless_stopped(sounds, should_stop):
        for compared in judge.compare(sound.codes_WHQ):
            agreeing[compared.file] += round(compared.common.agreement * compared.common.active)
    return agreeing.most_common(1)[0][0] if agreeing else None


def leaned_on(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    take_codes_WHQ: Tensor,
    *,
    ends: Sequence[int] = (),
    prompt_steps: int = 0,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> AudioFile | None:
    """Return the training file that a take agrees with most, all of its sounds together; None if hardly any is heard.

    Raises:
        DatasetError: the sounds are not those of the training, or too few; or the take is of another model.
        ModelFileError: the model has no prior.
        Stopped: `should_stop()` turned true.
    """
    sounds = _sounds_of_take(take_codes_WHQ, ends, prompt_steps)
    _check_take(loaded, sounds)
    _checked_split(loaded, dataset)
    learned = read_learned(loaded, require_prior(loaded), dataset, on_event, should_stop, use_cache=use_cache)
    return None if learned is None else _most_agreeing(loaded, learned, sounds, should_stop)


class _Progress:
    """A sender of `ProofProgress`, ten times a second at most, and at the end of each training."""

    def __init__(self, trainings: int, epochs: int, on_event: OnEvent) -> None:
        self._trainings, self._epochs, self._on_event = trainings, epochs, on_event
        self._next_at = 0.0

    def update(self, training: int, without: str, step: StepMetrics) -> None:
        """Report an optimizer step of a training, which counts from 1."""
        each = self._epochs * step.total_steps
        done = (step.epoch - 1) * step.total_steps + step.step
        if (now := monotonic()) >= self._next_at or done == each:
            total, before = self._trainings * each, (training - 1) * each
            self._on_event(ProofProgress(before + done, total, training, self._trainings, without))
            self._next_at = now + _PROGRESS_INTERVAL_S


@dataclass(frozen=True, slots=True)
class _Trial:
    """The trainings of a proof, each of which judges the take."""

    retraining: Retraining
    sounds: Sequence[SoundCodes]
    progress: _Progress
    should_stop: ShouldStop

    def log_likelihood(self, training: int, seed: int, digests: Collection[str] = (), name: str = "") -> float:
        """Return the take's log-likelihood in nats a second after a training without some sounds.

        Raises:
            Stopped: `should_stop()` turned true.
        """

        def on_event(event: object) -> None:
            if isinstance(event, StepMetrics):
                self.progress.update(training, name, event)

        prior = self.retraining.prior_without(digests, seed, on_event=on_event, should_stop=self.should_stop)
        return log_likelihood(self.retraining, prior, self.sounds, self.should_stop)

    def of_seed(
        self, number: int, suspect: AudioFile, left_out: Collection[str], control: AudioFile
    ) -> tuple[float, float, float]:
        """Return the log-likelihood with all sounds, without the suspect's, and without the control.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        seed, before = self.retraining.config.seed + 1 + number, _ARMS * number
        return (
            self.log_likelihood(before + 1, seed),
            self.log_likelihood(before + 2, seed, left_out, suspect.name),
            self.log_likelihood(before + 3, seed, {control.digest}, control.name),
        )


def log_likelihood(
    retraining: Retraining, prior: Prior, sounds: Sequence[SoundCodes], should_stop: ShouldStop = never
) -> float:
    """Return a take's log-likelihood in nats a second; steps of silence, and each window's first code, don't count.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    codes_per_second = retraining.loaded.geometry.codes_per_second
    losses = heard_losses(prior, sounds, retraining.silence_WHQ, codes_per_second, should_stop)
    return -losses.mean * codes_per_second


def prove(
    model_path: str | Path,
    dataset: AudioDataset,
    take_codes_WHQ: Tensor,
    suspect: AudioFile | str,
    *,
    ends: Sequence[int] = (),
    prompt_steps: int = 0,
    seeds: int = SEEDS,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> Proof:
    """Train a model's prior again with all of its sounds, without the suspect and without a random one, and compare.

    The take's sounds end after the steps `ends`; the steps of its prompt are not judged. The `seeds` seeds are not the
    prior's own: with that one all sounds give the very prior that drew the take, to which it is likelier than to any
    other. Settings, epochs, optimizer steps and the sounds held out are the same in all trainings. Nothing is written
    but sounds' codes, with `use_cache`.

    Raises:
        ConfigError: the file names a setting that cannot be.
        DatasetError: the sounds are not those of the training, too few, or do not have the suspect; or the take is of
            another model.
        ModelFileError: the model has no prior, or cannot be opened.
        TrainingError: a training diverged, or ran out of memory.
        Stopped: `should_stop()` turned true.
    """
    started, loaded = perf_counter(), load_model_v2(model_path, resolve_device("auto"))
    prior, sounds = require_prior(loaded), _sounds_of_take(take_codes_WHQ, ends, prompt_steps)
    _check_take(loaded, sounds)
    train_files, val_files = _checked_split(loaded, dataset)
    suspect = _suspect(train_files, suspect)
    retraining = prepare_retraining(
        loaded, prior, train_files, val_files, on_event=on_event, should_stop=should_stop, use_cache=use_cache
    )
    left_out = _same_sound(retraining, suspect)
    control = _control(train_files, suspect, left_out, retraining.config.seed)
    trial = _Trial(retraining, sounds, _Progress(_ARMS * seeds, retraining.epochs, on_event), should_stop)
    found = [trial.of_seed(number, suspect, left_out, control) for number in range(seeds)]
    whole, without, without_control = zip(*found, strict=True)
    copies = tuple(file.name for file in train_files if file.digest in left_out and file != suspect)
    return Proof(suspect, control, whole, without, without_control, copies, perf_counter() - started)
