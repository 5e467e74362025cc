"""Which trainings on disk belong to a model, so that no crash, no failed save and no rename loses one to sight.

A run is written at the end of each epoch with the discipline of a model file, and removed once its result is saved or
given up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from distill_core.errors import ModelFileError, SaveError
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.folders import run_folders
from distill_core.text import printable
from distill_core.training.run_folder.facts import Kind, UnfinishedRun, recoverable
from distill_core.training.run_folder.format import comparable, is_older, older_run
from distill_core.training.run_folder.stored import (
    LOOKING_S,
    WAIT_S,
    StoredRun,
    codec_at,
    has_lost_its_model,
    listed_runs,
    locked,
    stored_runs,
)


class RunFolder:
    """The place of one model's trainings of a kind: finds the one to go on with, and keeps the one under way.

    A run belongs to the model whose path it has, unless another codec is there now; where its model is gone, to each
    model with the same codec: it was moved or renamed.
    """

    def __init__(self, model: Path, kind: Kind = Kind.PRIOR) -> None:
        self.model, self.kind = model, kind
        self._path = comparable(model)
        # Also the name of a model's run folder in former versions, and so their lock of it.
        self._name = sha256(os.fsencode(self._path)).hexdigest()[:32]
        self._kept: StoredRun | None = None
        self._codec_at = cache(codec_at)
        self._locks = ExitStack()
        self._held: set[str] = set()  # the runs whose locks these are

    @classmethod
    def of(cls, model_path: str | Path, kind: Kind = Kind.PRIOR) -> RunFolder:
        """Return the place of a model's trainings, whatever links lead to it."""
        return cls(Path(model_path), kind)

    @property
    def folder(self) -> Path:
        """The folder of the run that is found, or where former versions kept this model's."""
        found = self.found()
        return run_folders() / self._name if found is None else found.folder

    @property
    def _digest(self) -> str:
        return self._codec_at(self.model)

    def _is_here(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        return comparable(facts.model) == self._path or run.id == self._name

    def _is_own(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        """Tell whether a run is of this path and of the codec there; former versions asked for the path alone."""
        if not self._is_here(run, facts):
            return False
        return run.id == self._name or not facts.codec_digest or self._digest in ("", facts.codec_digest)

    def _has_moved_here(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        """Tell whether a run's codec is this model's, and no longer at the run's path."""
        if self._is_here(run, facts) or not facts.codec_digest or facts.codec_digest != self._digest:
            return False
        return has_lost_its_model(facts, self._codec_at)

    def found(self) -> StoredRun | None:
        """Return the newest run of this path, or else one whose model is gone: of this name before others."""
        known = [(run, facts) for run in stored_runs() if (facts := run.look()) is not None and facts.kind is self.kind]
        candidates = [pair for pair in known if self._is_own(*pair)]
        candidates = candidates or [pair for pair in known if self._has_moved_here(*pair)]

        def rank(pair: tuple[StoredRun, UnfinishedRun]) -> tuple[bool, float]:
            run, facts = pair
            return facts.model.name == self.model.name, facts.written or run.written()

        return max(candidates, key=rank)[0] if candidates else None

    def look(self) -> UnfinishedRun | None:
        """Return what is there, whether a training is at it or not; None for nothing that can be read."""
        found = self.found()
        return None if found is None else found.look()

    def unfinished(self) -> UnfinishedRun | None:
        """Return what is there to go on with; None for nothing that can be read, or while a training is at it."""
        found = self.found()
        return None if found is None or self._is_busy(found) else found.look()

    def is_busy(self) -> bool:
        """Tell whether a training into this model, or at its run, is under way."""
        return self._is_busy(self.found())

    def _is_busy(self, run: StoredRun | None) -> bool:
        with self._model_lock(LOOKING_S) as obstacle:
            return bool(obstacle) or (run is not None and run.id != self._name and run.is_busy())

    def _model_lock(self, wait_s: float) -> AbstractContextManager[str]:
        return locked(self._name, wait_s, "Another training into this model is under way.")

    @contextmanager
    def in_use(self, wait_s: float = WAIT_S) -> Iterator[str]:
        """Keep other trainings into this model out while this one runs; yields "", or why that cannot be."""
        with self._model_lock(wait_s) as obstacle, ExitStack() as self._locks:
            try:
                if not obstacle:
                    run_folders().mkdir(mode=0o700, parents=True, exist_ok=True)
                    _remove_empty()
            except OSError as error:
                obstacle = f"The folder for it can't be made ({error.strerror or error})."
            try:
                yield obstacle
            finally:
                self._kept = None
                self._held.clear()

    def load(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return a run's state, or the one before it where that is damaged or gone, which `OlderStateTaken` tells.

        Raises:
            ModelFileError: there is none that can be read.
        """
        return self._required().load(on_event)

    def _required(self) -> StoredRun:
        found = self.found()
        if found is None:
            self._tell_newer()
            name = printable(self.model.name)
            raise ModelFileError(
                f"There is no unfinished training into “{name}”, or it is damaged.",
                "Train afresh; distill runs lists what there is.",
            )
        return found

    def _tell_newer(self) -> None:
        """Raise the error of going on with a run of this path that a newer Distill made, if there is one."""
        for run in stored_runs():
            error = run.newer()
            if error is not None and (run.id == self._name or comparable(error.model) == self._path):
                raise error

    def load_to_resume(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return a run's state, to go on with; what `save` gets from now on goes into the same folder.

        To be called in `in_use`.

        Raises:
            ModelFileError: there is none that can be read, a training is at it, or an older Distill made it.
        """
        found = self._required()
        if obstacle := self._hold(found.id):
            raise ModelFileError(f"{obstacle} Nothing was changed.", "Wait until it has ended.")
        values = found.load(on_event)
        if is_older(values):
            raise older_run()
        has_own_name = found.id == values["run_id"] or bool(self._hold(values["run_id"]))
        self._kept = found if has_own_name else found.renamed(values["run_id"])
        return values

    def _hold(self, name: str) -> str:
        """Hold a run's lock as long as the model's, which former versions took for it; return "", or why not."""
        if name == self._name or name in self._held:
            return ""
        obstacle = self._locks.enter_context(locked(name, WAIT_S, "Another training is at this run."))
        if not obstacle:
            self._held.add(name)
        return obstacle

    def save(self, values: dict[str, Any], should_stop: ShouldStop = never) -> None:
        """Write the state of the training under way; its first one takes the place of this path's former runs.

        To be called in `in_use`.

        Raises:
            SaveError: it could not be written; what was there is unchanged.
            Stopped: `should_stop()` turned true; what was there is unchanged.
        """
        if self._kept is not None:
            self._kept.save(values, should_stop)
            return
        kept = StoredRun.named(values["run_id"])
        if obstacle := self._hold(kept.id):
            raise SaveError(obstacle)
        kept.save(values, should_stop)
        self._kept = kept
        self._discard_former(values)

    def _discard_former(self, values: dict[str, Any]) -> None:
        """Remove what this path's earlier trainings left, of the codec that this one is for; other paths' runs stay."""
        for run in stored_runs():
            facts = run.look()
            if facts is None or facts.kind is not self.kind or run.id == values["run_id"]:
                continue
            if self._is_here(run, facts) and facts.codec_digest in ("", values["codec_digest"]):
                run.remove() if run.id == self._name else run.discard()

    def discard(self, run_id: str | None = None) -> None:
        """Remove the run that is found, or the one of this id, wherever it is; one that a training is at stays.

        With an id, what cannot be read stays as well: it may be a newer Distill's.
        """
        if run_id is None:
            if (found := self.found()) is not None:
                found.discard()
            return
        if not run_id:  # nothing of the run was written, and "" would name the folder of all runs
            return
        named = [StoredRun.named(run_id)] if StoredRun.named(run_id).exists else []
        former = (run for run in stored_runs() if (facts := run.look()) is not None and facts.run_id == run_id)
        for run in named or former:
            run.discard_states_of(run_id)


def _remove_empty() -> None:
    """Remove what trainings that ended while they wrote their first state left.

    Raises:
        OSError: the folders could not be listed.
    """
    for folder in run_folders().iterdir():
        if folder.is_dir() and not (run := StoredRun(folder)).exists:
            run.remove_if_empty()


def unfinished_runs() -> list[UnfinishedRun]:
    """Return the unfinished trainings of priors whose models still exist, the newest first."""
    return [*recoverable(listed_runs())]
