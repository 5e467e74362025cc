"""The commands on source sounds that are heard or seen, and the player's settings, which outlive the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.session.take_host import TakeHost
from app.session.tasks import hearing, sounds

if TYPE_CHECKING:
    from app.session.jobs import Job
    from distill_core.audio.dataset import AudioFile


class HearingHost(TakeHost):
    """Reads source sounds for the player and for their rows."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.player.set_volume(self.settings.volume())
        self.player.set_device(self.settings.output_device())
        self.player.set_loop(self.settings.is_loop())
        self.player.changed.connect(self._remember_player)
        self._hearing: Job | None = None

    def hear_sound(self, file: AudioFile) -> None:
        """Read a source sound for the player, in place of one that is still being read."""
        model = self._state.open.model
        rate = hearing.USUAL_RATE if model is None else model.geometry.sample_rate
        self.hear_nothing()
        self._outline_later()
        self._hearing = self.do_later(hearing.reading(file, rate))

    def hear_round_trip(self, file: AudioFile) -> None:
        """Send a source sound through the open model and back, for the player."""
        self.hear_nothing()
        self._hearing = self._do_before_unasked(hearing.going_round(file, self._require_model()))

    def outline_sounds(self, files: Sequence[AudioFile]) -> None:
        """Read the outlines of source sounds, until a sound is to be heard: that need not wait for them."""
        self._outlining.append(self.do_later(sounds.outlining(tuple(files))))

    def hear_nothing(self) -> None:
        """Give up the source sound that is being read."""
        if self._hearing is not None:
            self._hearing.stop.set()

    def close(self, wait_ms: int) -> bool:
        """Fall silent and end the threads; return False if one did not end in time."""
        self.player.stop()
        return super().close(wait_ms)

    @Slot()
    def _remember_player(self) -> None:
        settings, player = self.settings, self.player
        if (settings.volume(), settings.output_device()) != (player.volume, player.device):
            settings.set_volume(player.volume)
            settings.set_output_device(player.device)
        if settings.is_loop() != player.is_loop:
            settings.set_loop(player.is_loop)
