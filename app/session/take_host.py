"""The commands on takes: making one, and those on the shelf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import randrange
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from app.session.host import TaskHost
from app.session.player import Playable, Player
from app.session.settings import Settings
from app.session.takes import Making, TakeOptions
from app.session.tasks import generating, shelving, voices
from app.session.voice import prior_settings
from distill_core.generation.request import GenerateRequest

if TYPE_CHECKING:
    from app.session.jobs import Job
    from app.session.state import State
    from app.session.task import Task
    from app.session.tasks.shelving import FoundTakes
    from distill_core.generation.takes.folder import Take
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior

_NEW_SEEDS = 100_000  # few enough to be said to somebody


def new_seed() -> int:
    """Return a seed at random, from Python's own numbers: those of training are torch's."""
    return randrange(1, _NEW_SEEDS)


class TakeHost(TaskHost):
    """Makes takes and keeps their shelf; `player` plays them, `settings` are conveniences that outlive the window.

    A change of the shelf shows at once, before it is on disk.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = Settings()
        self.player = Player(self)
        self._voices = voices.Voices()
        self._take: Job | None = None
        self._outlining: list[Job] = []
        self._is_take_owed = False
        options = replace(self.settings.take_options(), seed=new_seed())
        self._become(self._state.with_takes(options=options))
        self.model_opened.connect(self._on_model_opened)
        self.takes_found.connect(self._on_takes_found)
        self.training_ended.connect(self._on_prior_trained)
        self.state_changed.connect(self._on_takes)
        self.player.changed.connect(self._on_player)

    # Making

    def set_take_options(self, options: TakeOptions) -> None:
        """Take the choices for the next take."""
        self._become(self._state.with_takes(options=options, problem=""))
        self.settings.set_take_options(options)

    def generate(self) -> None:
        """Make a take with the chosen options, aloud, in place of one under way."""
        self._make_chosen("New take", self._voice())

    def make_again(self, request: GenerateRequest) -> None:
        """Make a take by the settings of a former one, aloud."""
        self._make(lambda loaded: request, Making("New take", request.seed, is_aloud=True), self._voice())

    def listen_to_run(self, epoch: int = 0) -> None:
        """Make a take with an epoch of the training under way, or for 0 with the one that a stop would keep."""
        self._make_chosen(f"Epoch {epoch}" if epoch else "Best so far", voices.of_run(epoch))

    def listen_to_epoch(self, epoch: int) -> None:
        """Make a take with an epoch of the training that has ended."""
        _, trained = self._require_trained()
        self._make_chosen(f"Epoch {epoch}", voices.of_epoch(trained, epoch))

    def refuse_take(self, sentence: str) -> None:
        """Show beside the takes why something was not done."""
        self._become(self._state.with_takes(problem=sentence))

    def cancel_take(self) -> None:
        """Give up the take under way, and one that waits for its end."""
        self._is_take_owed = False
        if self._take is not None:
            self._take.stop.set()
        self._become(self._state.with_takes(making=None))

    def _voice(self) -> voices.Voice:
        trained = self._state.training.trained
        if self._state.training.unsaved and trained is not None and trained.prior is not None:
            return voices.of_trained(trained)
        return voices.of_file

    def _make_chosen(self, title: str, voice: voices.Voice, *, is_aloud: bool = True) -> None:
        """Make a take with the chosen options; the next one gets another seed, unless that is held."""
        options = self._state.takes.options
        wanted = options if is_aloud else options.unasked
        self._make(generating.chosen(wanted), Making(title, options.seed, is_aloud), voice)
        if not options.holds_seed:
            self._become(self._state.with_takes(options=replace(self._state.takes.options, seed=new_seed())))

    def _make(self, wanted: generating.Wanted, making: Making, voice: voices.Voice) -> None:
        self.cancel_take()
        self._become(self._state.with_takes(making=making, problem=""))
        self._take = self.do_later(generating.making(self._require_model().path, wanted, making, voice, self._voices))

    def _make_unasked(self) -> None:
        """Make a take that is shown and not played: a sudden sound frightens. It waits for one that is being heard."""
        if (making := self._state.takes.making) is not None and making.is_aloud:
            self._is_take_owed = True
        elif prior_settings(self._state) is not None:
            self._make_chosen("New take", self._voice(), is_aloud=False)

    @Slot(object)
    def _on_takes(self, state: State) -> None:
        if self._is_take_owed and state.takes.making is None:
            self._is_take_owed = False
            self._make_unasked()

    def _do_before_unasked(self, task: Task[Any]) -> Job:
        """Run a task on the listen runner; a take that nobody asked for begins again after it."""
        making, take = self._state.takes.making, self._take
        if take is None or making is None or making.is_aloud:
            return self.do_later(task)
        take.stop.set()
        job = self.do_later(task)
        self._take = self.do_later(take.task)
        return job

    @Slot(object)
    def _on_prior_trained(self, trained: TrainedPrior) -> None:
        if trained.prior is not None:
            self._make_unasked()

    @Slot(object)
    def _on_model_opened(self, summary: ModelSummary) -> None:
        self.cancel_take()
        self.do_later(shelving.finding(summary.path, summary.prior_metadata or {}))

    @Slot(object)
    def _on_takes_found(self, found: FoundTakes) -> None:
        """Show the newest take of the prior, or have it make its first, unless one has been asked for meanwhile."""
        if found.newest is None and self._state.takes.making is None:
            self._make_unasked()
        elif found.newest is not None and not self.player.is_playing:
            self.player.show(found.newest)

    @Slot()
    def _on_player(self) -> None:
        """Choose the take that the player shows: what is heard is what Save and Delete are for."""
        playable = self.player.playable
        shown = next((take for take in self._state.takes.takes if self._is_shown(take, playable)), None)
        if shown is not None:
            self.choose_take(shown.number)

    def _is_shown(self, take: Take, playable: Playable | None) -> bool:
        path = self._open_path()
        return playable is not None and path is not None and playable.key == shelving.take_key(path, take.number)

    # The shelf

    def choose_take(self, number: int) -> None:
        """Choose the take that the actions are for."""
        if number != self._state.takes.chosen:
            self._become(self._state.with_takes(chosen=number))

    def read_take(self, take: Take) -> None:
        """Read a take to be played, before the outlines of others."""
        self._outline_later()
        self.do_later(shelving.reading(self._require_model().path, take))

    def outline_takes(self, takes: Sequence[Take]) -> None:
        """Read the outlines of takes, until a sound is to be heard: that need not wait for them."""
        self._outlining = [
            *(job for job in self._outlining if not job.stop.is_set()),
            self.do_later(shelving.outlining(self._require_model().path, tuple(takes))),
        ]

    def _outline_later(self) -> None:
        """Have outlines end where they are; those who want them ask again."""
        for job in self._outlining:
            job.stop.set()
        self._outlining = []

    def star_take(self, number: int, is_starred: bool) -> None:
        """Give a take a star, or take that away."""
        self._become(self._state.with_takes_state(self._state.takes.starred(number, is_starred)))
        self.do_later(shelving.starring(self._require_model().path, number, is_starred))

    def delete_take(self, number: int) -> None:
        """Delete a take, which can be brought back."""
        self._become(self._state.with_takes_state(self._state.takes.without(number)))
        self.do_later(shelving.deleting(self._require_model().path, number))

    def bring_take_back(self) -> None:
        """Bring the take back that was deleted last, of those that have not been brought back."""
        if self._state.takes.deleted:
            last, *others = self._state.takes.deleted
            self._become(self._state.with_takes(deleted=tuple(others)))
            self.do_later(shelving.bringing_back(self._require_model().path, last.number))

    def write_takes(self, takes: Sequence[Take], targets: Sequence[Path], *, replace_files: bool) -> None:
        """Write takes into files; those that are there are replaced on request, and otherwise passed over."""
        model = self._require_model().path
        sidecar = self.settings.saves_sidecar()
        self.do_later(
            shelving.writing(model, tuple(takes), tuple(targets), replace_files=replace_files, sidecar=sidecar)
        )

    # All shelves

    def list_shelves(self) -> None:
        """List the shelves of all models."""
        self.do_later(shelving.listing_all(self._open_path()))

    def remove_shelves(self, identities: Sequence[str], *, with_dragged: bool = False) -> None:
        """Remove shelves with all their takes, and on request the copies that were dragged away."""
        self.do_later(shelving.removing(tuple(identities), self._open_path(), with_dragged=with_dragged))

    # Requirements

    def _open_path(self) -> Path | None:
        return None if self._state.open.model is None else self._state.open.model.path

    def _require_model(self) -> ModelSummary:
        if self._state.open.model is None:
            raise ValueError("no model is open")
        return self._state.open.model

    def _require_trained(self) -> tuple[ModelSummary, TrainedPrior]:
        if self._state.training.trained is None:
            raise ValueError("there is no trained prior")
        return self._require_model(), self._state.training.trained
