"""Playing source sounds, as they are and as the model makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.presentation.player import side_obstacle, source_of
from app.session import Session
from app.session.activity import Subject
from app.session.problems import Problem
from app.session.slots import Playable
from app.session.tasks.hearing import Side, SourceKey
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioFile


class Hearing(QObject):
    """Has source sounds read, and gives them to the player.

    `changed()`: `note` says something else, what is under way or why a sound can't be played.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._player = session, session.player
        self.note = ""
        self._wanted: SourceKey | None = None
        self._sides: dict[SourceKey, Playable] = {}  # both sides of the sound that is compared
        session.sound_heard.connect(self._on_heard)
        session.failed.connect(self._on_failed)
        session.model_changed.connect(self._on_model)
        self._player.changed.connect(self._on_player)

    @property
    def source(self) -> SourceKey | None:
        """The source sound that the player shows; None if it shows something else."""
        return source_of(self._player.playable)

    @property
    def heard(self) -> AudioFile | None:
        """The source sound that plays, or will as soon as it is read."""
        if self._wanted is not None:
            return self._wanted.file
        return self.source.file if self._player.is_playing and self.source is not None else None

    def is_playing(self, file: AudioFile) -> bool:
        """Tell whether a sound plays, or will as soon as it is read."""
        shown = self.source
        is_shown = self._player.is_playing and shown is not None and shown.file == file
        return is_shown or (self._wanted is not None and self._wanted.file == file)

    def play(self, file: AudioFile) -> None:
        """Play a source sound from its beginning."""
        if self.source is not None and self.source.file == file:
            self._player.seek(0.0)
            self._player.play()
            return
        self._player.stop()
        self._want(SourceKey(file), f"Reading {printable(file.name, LONGEST_NAME)}…")
        self._session.hear_sound(file)

    def toggle(self, file: AudioFile) -> None:
        """Play a source sound, or stop it."""
        if not self.is_playing(file):
            self.play(file)
        else:
            self._want(None, "")
            self._session.hear_nothing()
            self._player.stop()

    def choose_side(self, side: Side) -> None:
        """Go on with the sound as it is, or with what the model makes of it, as soon as that is made."""
        if side_obstacle(self._player.playable, self._session.state) or self.source is None:
            return
        key = SourceKey(self.source.file, side)
        if self._player.playable is not None:
            self._remember(self._player.playable, self.source)
        if key in self._sides:
            self._want(None, "")
            self._player.swap(self._sides[key])
        elif side == "model":
            self._want(key, "Going through the model…")
            self._session.hear_round_trip(key.file)
        else:
            self._want(key, "Reading the sound…")
            self._session.hear_sound(key.file)

    def flip_side(self) -> None:
        """Go on with the other side of the sound."""
        if self.source is not None:
            self.choose_side("model" if self.source.side == "original" else "original")

    def _want(self, key: SourceKey | None, note: str) -> None:
        self._wanted, self.note = key, note
        self.changed.emit()

    def _remember(self, playable: Playable, key: SourceKey) -> None:
        """Keep a side; those of other sounds go, which are up to a minute long."""
        same = {known: sound for known, sound in self._sides.items() if known.file == key.file}
        self._sides = same | {key: playable}

    @Slot(object)
    def _on_heard(self, playable: Playable) -> None:
        key = source_of(playable)
        if key is None or key != self._wanted:
            return
        self._want(None, "")
        self._remember(playable, key)
        if self.source is not None and self.source.file == key.file:
            self._player.swap(playable)
        elif key.side == "original":
            self._player.show(playable)
            self._player.play()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if subject is Subject.HEARING and self._wanted is not None:
            self._want(None, problem.sentence)

    @Slot(object)
    def _on_model(self, summary: object) -> None:
        self._sides = {key: sound for key, sound in self._sides.items() if key.side == "original"}

    @Slot()
    def _on_player(self) -> None:
        if self._player.is_playing and self.note and self._wanted is None:
            self._want(None, "")
