"""Hearing why a take is a copy, and proving it: clicks on the Copies tab, as far as the state allows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.flows.hearing import Hearing
from app.presentation.copies import nearest_words, proof_look, verdict_of
from app.session import Session
from app.session.activity import Subject
from app.session.evidence import HeardEvidence, MomentKey, Part, sound_called
from app.session.problems import Problem
from app.session.slots import Slot as Place

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioFile

_SLOTS: dict[Part, Place] = {"take": "A", "sound": "B"}


class Copies(QObject):
    """Plays the sounds that a model leans on, and a take against its nearest sound.

    `changed()`: what plays, or the note, is another. `note` says in a sentence what is being read, or what failed.
    """

    changed = Signal()

    def __init__(self, session: Session, hearing: Hearing, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._player, self._hearing = session, session.player, hearing
        self._wanted: tuple[int, Part] | None = None
        self._heard: HeardEvidence | None = None
        self.note = ""
        session.evidence_heard.connect(self._on_heard)
        session.failed.connect(self._on_failed)
        session.model_opened.connect(self._on_model)
        session.player.changed.connect(self.changed)
        hearing.changed.connect(self.changed)

    # The sounds that it leans on

    @property
    def playing(self) -> AudioFile | None:
        """The source sound that plays, or will as soon as it is read."""
        return self._hearing.heard

    def play_sound(self, file: str) -> None:
        """Play an open sound by its name or digest, or stop it."""
        if (found := sound_called(self._session.state.sounds_learned_from, file)) is not None:
            self._hearing.toggle(found)

    # A take against its nearest sound

    @property
    def at(self) -> Part | None:
        """The side of the chosen take that the player is at: its part, or the nearest moment; None for neither."""
        key = None if self._player.playable is None else self._player.playable.key
        is_own = isinstance(key, MomentKey) and key.number == self._session.state.takes.chosen
        return key.part if is_own and isinstance(key, MomentKey) else None

    def hear(self, part: Part) -> None:
        """Play a side of the chosen take's evidence, or go on with it where the other one is; a second click stops."""
        state = self._session.state
        take = state.takes.chosen_take
        verdict = None if take is None else verdict_of(state, take)
        if take is None or verdict is None:
            return
        heard = self._heard
        is_read = heard is not None and (heard.number, heard.verdict) == (take.number, verdict)
        if heard is not None and is_read:
            self._go_on(part) if self._is_loaded(heard) else self._begin(heard, part)
        else:
            self._wanted, self.note = (take.number, part), "Reading the sounds…"
            self.changed.emit()
            self._session.hear_evidence(take, verdict, nearest_words(verdict))

    def _is_loaded(self, heard: HeardEvidence) -> bool:
        slots = self._player.slots
        return heard.take.is_same(slots["A"]) and heard.sound.is_same(slots["B"]) and self.at is not None

    def _go_on(self, part: Part) -> None:
        was_here, was_playing = self.at == part, self._player.is_playing
        self._player.choose_slot(_SLOTS[part])
        if was_here and was_playing:
            self._player.stop()
        elif not was_playing:
            self._player.play()

    def _begin(self, heard: HeardEvidence, part: Part) -> None:
        self._player.compare(heard.take, heard.sound, _SLOTS[part])
        self._player.play()

    @Slot(object)
    def _on_heard(self, heard: HeardEvidence) -> None:
        if self._wanted is None or self._wanted[0] != heard.number:
            return
        (_, part), self._wanted, self.note = self._wanted, None, ""
        self._heard = heard
        self._begin(heard, part)

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if subject is Subject.HEARING and self._wanted is not None:
            self._wanted, self.note = None, problem.sentence
            self.changed.emit()

    @Slot(object)
    def _on_model(self, summary: object) -> None:
        self._wanted, self._heard, self.note = None, None, ""

    # Proving

    def prove(self) -> None:
        """Prove, or disprove, that the chosen take depends on its nearest sound."""
        state = self._session.state
        take, look = state.takes.chosen_take, proof_look(state, None)
        verdict = None if take is None else verdict_of(state, take)
        if take is not None and verdict is not None and look is not None and look.is_enabled and not look.is_running:
            self._session.prove_take(take.number, verdict)
