"""The runs that belong to a model: no crash, no failed save and no rename hides one.

A run is written at the end of epochs as a model file is, in one step, and removed once its result is saved or given up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from distill_core.errors import ModelFileError, SaveError
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.folders import run_folders
from distill_core.text import printable
from distill_core.training.run_folder.checks import NewerRunError, run_is_gone
from distill_core.training.run_folder.facts import UnfinishedRun
from distill_core.training.run_folder.format import comparable
from distill_core.training.run_folder.kind import RunKind, RunKinds
from distill_core.training.run_folder.listing import codec_at, has_lost_its_model, stored_runs
from distill_core.training.run_folder.stored import LOOKING_S, WAIT_S, StoredRun, locked


class RunFolder:
    """The place of one model's runs of a kind: finds the run to go on with, and writes the one under way.

    A run belongs to the model at its path, unless that has another codec now. A run whose model is gone belongs to each
    model with the same codec: it was moved or renamed. `kinds` are all kinds of run on disk, `kind` among them.
    """

    def __init__(self, model: str | Path, kind: RunKind, kinds: RunKinds) -> None:
        self.model, self._own, self._kinds = Path(model), kind, kinds
        self._path = comparable(self.model)
        # Former versions give a model's run folder, and so its lock, this name too.
        self._name = sha256(os.fsencode(self._path)).hexdigest()[:32]
        self._kept: StoredRun | None = None
        self._takes_their_place = True  # the place of former runs, once the run under way has a best epoch
        self._codec_at = cache(codec_at)
        self._locks = ExitStack()
        self._held: set[str] = set()  # the ids of the runs with a lock in `_locks`

    def _stored(self) -> list[StoredRun]:
        return stored_runs(self._kinds)

    def _named(self, run_id: str) -> StoredRun:
        return StoredRun.named(run_id, self._kinds)

    @property
    def folder(self) -> Path:
        """The folder of the run that is found, else the one where former versions kept this model's run."""
        found = self.found()
        return run_folders() / self._name if found is None else found.folder

    @property
    def _digest(self) -> str:
        return self._codec_at(self.model)

    def _is_here(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        return comparable(facts.model) == self._path or run.id == self._name

    def _is_own(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        """Tell whether a run has this path and the codec there; in former versions the path alone decides."""
        if not self._is_here(run, facts):
            return False
        return run.id == self._name or not facts.codec_digest or self._digest in ("", facts.codec_digest)

    def _has_moved_here(self, run: StoredRun, facts: UnfinishedRun) -> bool:
        """Tell whether a run has this model's codec, which is no longer at the run's path."""
        if self._is_here(run, facts) or not facts.codec_digest or facts.codec_digest != self._digest:
            return False
        return has_lost_its_model(facts, self._codec_at)

    def found(self) -> StoredRun | None:
        """Return the newest run of this path, else one whose model is gone, of the same file name if there is one."""
        looked_at = [(run, run.look()) for run in self._stored()]
        known = [(run, facts) for run, facts in looked_at if facts is not None and facts.kind == self._own.kind]
        candidates = [pair for pair in known if self._is_own(*pair)]
        candidates = candidates or [pair for pair in known if self._has_moved_here(*pair)]

        def rank(pair: tuple[StoredRun, UnfinishedRun]) -> tuple[bool, float]:
            run, facts = pair
            return facts.model.name == self.model.name, facts.written or run.written()

        return max(candidates, key=rank)[0] if candidates else None

    def look(self) -> UnfinishedRun | None:
        """Return the facts of the run that is found, also of one in use; None without a readable one."""
        found = self.found()
        return None if found is None else found.look()

    def unfinished(self) -> UnfinishedRun | None:
        """Return the facts of the run to go on with; None without a readable one, or while it is in use."""
        found = self.found()
        return None if found is None or self._is_busy(found) else found.look()

    def is_busy(self) -> bool:
        """Tell whether a training of this model, or one that uses its run, is under way."""
        return self._is_busy(self.found())

    def _is_busy(self, run: StoredRun | None) -> bool:
        with self._model_lock(LOOKING_S) as obstacle:
            return bool(obstacle) or (run is not None and run.id != self._name and run.is_busy())

    def _model_lock(self, wait_s: float) -> AbstractContextManager[str]:
        return locked(self._name, wait_s, "Another training into this model is under way.")

    @contextmanager
    def in_use(self) -> Iterator[str]:
        """Keep other trainings of this model out while this one runs; yield "", or the obstacle."""
        with self._model_lock(WAIT_S) as obstacle, ExitStack() as self._locks:
            try:
                if not obstacle:
                    run_folders().mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._remove_empty()
            except OSError as error:
                obstacle = f"The folder for it can't be made ({error.strerror or error})."
            try:
                yield obstacle
            finally:
                self._kept, self._takes_their_place = None, True
                self._held.clear()

    def has(self, run_id: str) -> bool:
        """Tell whether the run of an id is on disk, in use or not, and can be read."""
        return self._of_id(run_id) is not None

    def look_at(self, run_id: str) -> UnfinishedRun | None:
        """Return the facts of the run of an id, in use or not; None without a readable one."""
        run = self._of_id(run_id)
        return None if run is None else run.look()

    def _of_id(self, run_id: str) -> StoredRun | None:
        """Return the run of an id, which former versions kept in a folder of another name; None if it is gone."""
        if not run_id:  # it would name the folder of all runs
            return None
        runs = ((run, run.look()) for run in (self._named(run_id), *self._stored()))
        return next((run for run, facts in runs if facts is not None and facts.run_id == run_id), None)

    def load(self, on_event: OnEvent = ignore, run_id: str = "") -> dict[str, Any]:
        """Return the newest state of the run that is found, or of that of an id.

        If it is damaged or missing, send `OlderStateTaken` and return the one before.

        Raises:
            ModelFileError: no state can be read.
        """
        return self._required(run_id).load(on_event)

    def _required(self, run_id: str = "") -> StoredRun:
        found = self._of_id(run_id) if run_id else self.found()
        if found is None and run_id:
            raise run_is_gone()
        if found is None:
            if (newer := self.newer()) is not None:
                raise newer
            name = printable(self.model.name)
            raise ModelFileError(
                f"There is no unfinished training into “{name}”, or it is damaged.",
                "Train afresh; distill runs lists all.",
            )
        return found

    def newer(self) -> NewerRunError | None:
        """Return the error of a run of this path that a newer Distill made, None without such a run."""
        for run in self._stored():
            error = run.newer()
            if error is not None and (run.id == self._name or comparable(error.model) == self._path):
                return error
        return None

    def load_to_resume(self, on_event: OnEvent = ignore, run_id: str = "") -> dict[str, Any]:
        """Return the state to go on with, of the run that is found or of that of an id.

        `save` writes into the same run from now on. Call it within `in_use`.

        Raises:
            ModelFileError: no state can be read, the run is gone or in use, or it has the best weights alone.
        """
        found = self._required(run_id)
        if obstacle := self._hold(found.id):
            raise ModelFileError(f"{obstacle} Nothing was changed.", "Wait until it has ended.")
        values = found.load(on_event)
        if self._own.is_best_only(values):
            raise self._own.best_only_error()
        has_own_name = found.id == values["run_id"] or bool(self._hold(values["run_id"]))
        self._kept = found if has_own_name else found.renamed(values["run_id"])
        self._takes_their_place = not values["best_epoch"]
        return values

    @contextmanager
    def reversible(self, run_id: str) -> Iterator[Callable[[], None]]:
        """Keep the states of a run apart while a training goes on with it; yield the call that puts them back.

        Call that once the training has ended. Where they can't be kept, it leaves the newer states.
        """
        self._with_run(run_id, StoredRun.set_aside)
        try:
            yield lambda: self._with_run(run_id, StoredRun.go_back)
        finally:
            self._with_run(run_id, StoredRun.forget_aside)

    def _with_run(self, run_id: str, call: Callable[[StoredRun], None]) -> None:
        """Call a method of the run of an id, unless it is gone or in use."""
        if (run := self._of_id(run_id)) is not None:
            with run.in_use() as obstacle:
                if not obstacle:
                    call(run)

    def is_at_its_place(self, found: UnfinishedRun) -> bool:
        """Tell whether a run is to be saved at this model's path."""
        return comparable(found.model) == self._path

    def check_can_go_on(self, found: UnfinishedRun) -> None:
        """Refuse a run of an older Distill that has the best weights alone.

        Raises:
            ModelFileError: it is such a run.
        """
        if found.is_best_only:
            raise self._own.best_only_error()

    def _hold(self, name: str) -> str:
        """Hold a run's lock as long as the model's, the same one in former versions; return "", or the obstacle."""
        if name == self._name or name in self._held:
            return ""
        obstacle = self._locks.enter_context(locked(name, WAIT_S, "Another training is at this run."))
        if not obstacle:
            self._held.add(name)
        return obstacle

    def save(self, values: dict[str, Any], should_stop: ShouldStop = never) -> None:
        """Write the state of the training under way; the first with a best epoch removes this path's former runs.

        Call it within `in_use`.

        Raises:
            SaveError: it could not be written; the files are unchanged.
            Stopped: `should_stop()` turned true; the files are unchanged.
        """
        kept = self._kept or self._named(values["run_id"])
        if self._kept is None and (obstacle := self._hold(kept.id)):
            raise SaveError(obstacle)
        kept.save(values, should_stop)
        self._kept = kept
        if self._takes_their_place and values["best_epoch"]:
            self._discard_former(values)
            self._takes_their_place = False

    def forget(self) -> None:
        """Remove the run under way, if it was written. Call it within `in_use`."""
        if self._kept is not None:
            self._kept.remove()

    def _discard_former(self, values: dict[str, Any]) -> None:
        """Remove the former runs of this path that have the same codec, or none; other runs stay."""
        for run in self._stored():
            facts = run.look()
            if facts is None or facts.kind != self._own.kind or run.id == values["run_id"]:
                continue
            if not self._is_here(run, facts) or facts.codec_digest not in ("", values["codec_digest"]):
                continue
            if run.id == self._name:
                run.remove()
            else:
                run.discard()

    def discard(self, run_id: str | None = None) -> None:
        """Remove the run that is found, or the one of an id, of any path; a run in use stays.

        With an id an unreadable state stays as well: it may be a newer Distill's.
        """
        if run_id is None:
            if (found := self.found()) is not None:
                found.discard()
            return
        if not run_id:  # the run was never written, and "" would name the folder of all runs
            return
        named = [self._named(run_id)] if self._named(run_id).exists else []
        former = (run for run in self._stored() if (facts := run.look()) is not None and facts.run_id == run_id)
        for run in named or former:
            run.discard_states_of(run_id)

    def _remove_empty(self) -> None:
        """Remove the folders of trainings that ended while they wrote their first state.

        Raises:
            OSError: the folders could not be listed.
        """
        for folder in run_folders().iterdir():
            if folder.is_dir() and not (run := StoredRun(folder, self._kinds)).exists:
                run.remove_if_empty()
