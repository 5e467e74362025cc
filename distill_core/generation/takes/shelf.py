"""The shelf: the takes of each model on disk, in the user's data folder.

A take never depends on the prior that it is from. All that changes a shelf holds one lock for a few milliseconds, so
two windows lose nothing of each other, and who holds it knows that half-written takes are of processes that died.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.export import recode_sound
from distill_core.audio.sound_format import Container, SoundFormat
from distill_core.errors import DistillError
from distill_core.files.new_file import write_new_file
from distill_core.files.save_errors import save_error
from distill_core.files.temporaries import saving_lock
from distill_core.folders import takes_folder
from distill_core.generation.origin import codes_digest
from distill_core.generation.request import Sample
from distill_core.generation.takes.facts import COPYING, VERSION, facts_of, facts_text
from distill_core.generation.takes.file import encode_take, tags_for
from distill_core.generation.takes.folder import (
    Take,
    delete_take,
    deleted_folders,
    is_starred,
    read_take,
    remove_folder,
    remove_remains,
    restore_take,
    set_star,
    size_of,
    take_folders,
    write_facts,
    write_take,
)
from distill_core.generation.takes.shelf_file import (
    ShelfFile,
    find_shelf,
    is_still_there,
    model_id,
    read_shelf_file,
    shelf_folder,
    shelf_folders,
    write_shelf_file,
)
from distill_core.generation.takes.sidecar import check_sidecar, sidecar_of, write_sidecar
from distill_core.generation.takes.verdict import TakeVerdict

KEPT_WITHOUT_STAR = 50
_NO_FACTS: Mapping[str, Any] = {}


@contextmanager
def _locked(name: Path) -> Iterator[None]:
    """Hold the lock of all shelves; `name` is the file that an error names.

    Raises:
        SaveError: the disk is full or cannot be written, or another Distill holds the lock.
    """
    try:
        with saving_lock(takes_folder() / "takes"):
            yield
    except OSError as error:
        raise save_error(error, name) from error


def _gone(number: int) -> DistillError:
    return DistillError(f"Take {number} is gone; the others are unchanged.", "Make it again with its seed.")


def _codes_digest(take: Take) -> str:
    """Return the digest of a take's codes, "" if they are damaged: its sound can be exported all the same."""
    with suppress(DistillError):
        return codes_digest(take.codes())
    return ""


@contextmanager
def _or_no_folder(folder: Path) -> Iterator[None]:
    """Remove a shelf's folder that is still empty after a failure: nobody would find it again."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            folder.rmdir()
        raise


class TakeShelf:
    """The takes of one model; making this object touches nothing, and nothing is on disk before the first take."""

    def __init__(self, model: str | Path) -> None:
        self.model = Path(model)

    def _folder(self) -> Path | None:
        found = find_shelf(self.model)
        return None if found is None else found[0]

    def _own(self) -> tuple[Path, ShelfFile]:
        """Return the shelf's folder, made if need be, and its facts with the model's present path and id."""
        folder, facts = find_shelf(self.model) or (takes_folder() / uuid4().hex, ShelfFile("", ""))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = [facts.last_number, *take_folders(folder), *deleted_folders(folder)]
        own_id = model_id(self.model) or facts.model_id
        return folder, ShelfFile(str(self.model.absolute()), own_id, max(numbers))

    def takes(self) -> list[Take]:
        """Return the takes, the newest first; damaged ones are left out."""
        folder = self._folder()
        folders = {} if folder is None else take_folders(folder)
        found = (read_take(number, folders[number]) for number in sorted(folders, reverse=True))
        return [take for take in found if take is not None]

    def add(self, sample: Sample, prior_metadata: Mapping[str, Any] | None = None) -> Take:
        """Put a take on the shelf in one step; of those without a star, the last 50 remain.

        Raises:
            SaveError: it could not be written; the take in memory and the shelf are as they were.
        """
        encoded = encode_take(sample, self.model)
        facts = facts_text(facts_of(sample, encoded.gain, self.model, prior_metadata or _NO_FACTS))
        with _locked(Path(f"{self.model.stem} take")):
            folder, shelf = self._own()
            number = shelf.last_number + 1
            with _or_no_folder(folder):
                write_shelf_file(folder, shelf.with_number(number))
            written = write_take(folder, number, encoded.data, sample.codes_WHQ, facts)
            self._remove_old(folder)
        take = read_take(number, written)
        if take is None:
            raise _gone(number)
        return take

    def _remove_old(self, folder: Path) -> None:
        folders = take_folders(folder)
        unstarred = [number for number in sorted(folders, reverse=True) if not is_starred(folders[number])]
        for number in unstarred[KEPT_WITHOUT_STAR:]:
            remove_folder(folders[number])

    @contextmanager
    def _changing(self, number: int, *, is_deleted: bool = False) -> Iterator[Path]:
        """Yield the folder of a take, or of a deleted one, to be changed.

        Raises:
            DistillError: it is gone.
            SaveError: the disk is full or cannot be written.
        """
        with _locked(Path(f"{self.model.stem} take {number}")):
            shelf = self._folder()
            folders = {} if shelf is None else (deleted_folders if is_deleted else take_folders)(shelf)
            if number not in folders:
                raise _gone(number)
            yield folders[number]

    def star(self, number: int, on: bool) -> None:
        """Give a take a star, which keeps it for good, or take it away.

        Raises:
            DistillError: there is no such take.
            SaveError: it could not be written.
        """
        with self._changing(number) as folder:
            set_star(folder, on)

    def note_verdict(self, number: int, verdict: TakeVerdict) -> Take:
        """Note whether a take is a copy, and return the take with that verdict.

        Raises:
            DistillError: there is no such take, or it is damaged.
            SaveError: it could not be written.
        """
        with self._changing(number) as folder:
            if (take := read_take(number, folder)) is None:
                raise _gone(number)
            write_facts(folder, facts_text(take.facts | {"version": VERSION, COPYING: verdict.as_facts()}))
            noted = read_take(number, folder)
        return noted or take

    def delete(self, number: int) -> None:
        """Delete a take so that it can be restored until `tidy`.

        Raises:
            DistillError: there is no such take.
            SaveError: it could not be moved.
        """
        with self._changing(number) as folder:
            delete_take(folder)

    def restore(self, number: int) -> Take:
        """Bring a deleted take back.

        Raises:
            DistillError: it is gone for good.
            SaveError: it could not be moved.
        """
        with self._changing(number, is_deleted=True) as folder:
            take = read_take(number, restore_take(folder))
        if take is None:
            raise _gone(number)
        return take

    def tidy(self) -> None:
        """Remove for good what was deleted before, and the remains of crashes: to be called when a model is opened.

        Raises:
            SaveError: another Distill holds the lock.
        """
        with _locked(Path(self.model.stem)):
            if (folder := self._folder()) is not None:
                remove_remains(folder)

    def export(
        self,
        take: Take,
        path: Path,
        container: Container = Container.WAV,
        *,
        anonymous: bool = False,
        replace: bool = False,
        sidecar: bool = False,
    ) -> Path:
        """Write a take's sound into a file, sample by sample as it is on the shelf, and return the real path.

        With `sidecar`, a JSON beside it tells how it was made.

        Raises:
            DistillError: the sound on the shelf is damaged, or gone.
            SaveError: the file could not be written, or is there and not `replace`; or its sidecar.
        """
        codes, verdict = _codes_digest(take), take.verdict_word
        if sidecar:
            check_sidecar(path, replace=replace)
        tags = tags_for(take.request, self.model, anonymous, origin=take.origin, codes=codes, verdict=verdict)
        try:
            data = recode_sound(take.wav, container, tags, is_loop=take.request.loop)
        except UnreadableSoundError as error:
            text = f"The sound of take {take.number} can't be read: {error}."
            raise DistillError(text, "Make the take again with its seed.") from error
        written = write_new_file(path, data, replace=replace)
        if sidecar:
            told = sidecar_of(
                path,
                take.request,
                self.model,
                SoundFormat(container),
                take.duration_s,
                take.facts["gain"],
                origin=take.origin,
                codes=codes,
                verdict=verdict,
                anonymous=anonymous,
            )
            write_sidecar(path, told, replace=replace)
        return written


@dataclass(frozen=True, slots=True)
class ListedShelf:
    """A shelf among all: its model's path, None if that can't be read, and whether the model is still there."""

    id: str
    model: Path | None
    is_there: bool
    count: int
    size_bytes: int

    @property
    def model_name(self) -> str:
        """The name of the model's file, "" if it can't be read."""
        return "" if self.model is None else self.model.name


def all_shelves() -> list[ListedShelf]:
    """Return the shelves with takes on them, or with deleted ones; the largest first."""
    listed = []
    for folder in shelf_folders():
        facts, count = read_shelf_file(folder), len(take_folders(folder))
        if count or deleted_folders(folder) or facts is None:
            model, is_there = (None, False) if facts is None else (facts.model, is_still_there(facts))
            listed.append(ListedShelf(folder.name, model, is_there, count, size_of(folder)))
    return sorted(listed, key=lambda shelf: shelf.size_bytes, reverse=True)


def remove_shelf(shelf_id: str) -> None:
    """Remove a shelf with all of its takes for good; one that is gone already does no harm.

    Raises:
        SaveError: a file could not be removed, or another Distill holds the lock.
    """
    with _locked(Path("takes")):
        if (folder := shelf_folder(shelf_id)) is not None:
            for take in take_folders(folder).values():
                remove_folder(take)
            remove_folder(folder)
            if folder.exists():
                raise PermissionError("it is in use")
