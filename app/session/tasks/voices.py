"""The networks behind the takes: those of a model file, with its own prior or with one that is not saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from distill_core.errors import DistillError

if TYPE_CHECKING:
    from distill_core.models.persistence import LoadedVQModel
    from distill_core.training.prior.trained import TrainedPrior

_Stamp: TypeAlias = tuple[Path, int, int, int]


def _stamp(model: Path) -> _Stamp:
    """Return what changes with a file, without reading it."""
    try:
        status = model.stat()
    except OSError:
        return model, 0, 0, 0  # opening it says what is wrong
    return model, status.st_ino, status.st_size, status.st_mtime_ns


class Voices:
    """The networks of the last take's file, kept for the next one: loading takes a tenth of a second and more.

    Only the listen runner's thread uses it.
    """

    def __init__(self) -> None:
        self._stamp: _Stamp | None = None
        self._loaded: LoadedVQModel | None = None

    def of_file(self, model: Path) -> LoadedVQModel:
        """Return a file's networks.

        Raises:
            ModelFileError: the file cannot be opened; says why.
        """
        from distill_core.models.persistence import load_model_v2

        stamp = _stamp(model)
        if self._loaded is None or stamp != self._stamp:
            self._loaded = None  # two at once may be too much for the memory
            self._loaded, self._stamp = load_model_v2(model), stamp
        return self._loaded

    def with_prior(self, model: Path, trained: TrainedPrior) -> LoadedVQModel:
        """Return a file's codec with a prior that was trained for it.

        Raises:
            ModelFileError: the file cannot be opened; says why.
        """
        loaded = self.of_file(model)
        return replace(loaded, prior=trained.prior, prior_config=trained.config, prior_metadata=dict(trained.metadata))


Voice: TypeAlias = Callable[[Voices, Path], "LoadedVQModel"]


def of_file(voices: Voices, model: Path) -> LoadedVQModel:
    """Return a file's networks."""
    return voices.of_file(model)


def of_trained(trained: TrainedPrior) -> Voice:
    """Return the voice of a prior that is not saved."""
    return lambda voices, model: voices.with_prior(model, trained)


def _at_epoch(trained: TrainedPrior, epoch: int) -> TrainedPrior:
    """Return the result with an epoch's weights.

    Raises:
        DistillError: its weights are not kept.
    """
    which = next((which for which, kept in trained.weights.items() if kept.epoch == epoch), None)
    if which is None:
        raise DistillError(
            f"Epoch {epoch} can't be heard: its weights are no longer kept.", "Listen to the best so far instead."
        )
    return trained.keeping(which)


def of_epoch(trained: TrainedPrior, epoch: int) -> Voice:
    """Return the voice of an epoch of a training that has ended."""
    return lambda voices, model: voices.with_prior(model, _at_epoch(trained, epoch))


def of_run(epoch: int = 0) -> Voice:
    """Return the voice of the training under way: an epoch's, or for 0 the one that a stop would keep.

    It comes from the run on disk, where each best epoch is before its event is sent: training is left alone.
    """

    def voice(voices: Voices, model: Path) -> LoadedVQModel:
        from distill_core.training.kinds import prior_runs
        from distill_core.training.prior.train import load_best

        trained = load_best(prior_runs(model))
        return voices.with_prior(model, _at_epoch(trained, epoch) if epoch else trained)

    return voice
