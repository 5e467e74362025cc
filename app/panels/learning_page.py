"""The page of the stage on which one sees how well a training learns: the curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Slot
from PySide6.QtGui import QContextMenuEvent, QResizeEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QVBoxLayout

from app.flows.commands import Commands
from app.flows.curves import EXPORT_TEXTS, VIEW_TEXTS
from app.presentation import copying, epochs, generating, learning
from app.session import Session
from app.session.available import KEEPING, ActionId, available
from app.session.state import State
from app.widgets.epochs.row import EpochsRow
from app.widgets.page import PageWidget
from app.widgets.plot.curve import CurveLines
from app.widgets.plot.picture import picture_of
from app.widgets.plot.plot import PerplexityPlot
from app.widgets.sentence import Sentence
from distill_core.training.prior.curve import saved_curve

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.events import StepMetrics
    from distill_core.training.prior.events import Keep

_ROOMY_FROM, _LEAST_PLOT = 300, 140  # px


def _line(name: str) -> Sentence:
    """Return a line of words, which takes its room also without any: the curve must not move."""
    line = Sentence()
    line.setObjectName(name)
    line.setFixedHeight(line.fontMetrics().height())
    line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)  # a sentence's own asks for no height
    return line


class LearningPage(PageWidget):
    """Shows the curve of a training, or the one in the model's file; a click on an epoch offers to hear and keep it.

    Below it stand two verdicts: on how the prior learned, and on whether what it makes are copies. Once a training has
    ended, the epochs that it keeps stand there, too, side by side.
    """

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("learningPage")
        self._session, self._commands = session, commands
        self._saved: ModelSummary | None = None
        self.plot, self.epochs = PerplexityPlot(), EpochsRow()
        self.plot.setMinimumHeight(_LEAST_PLOT)  # with all that stands below it, in the smallest window
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.plot, 1)
        self.learning_line, self.takes_line = _line("learningLine"), _line("takesLine")
        column.addWidget(self.learning_line)
        column.addWidget(self.takes_line)
        column.addWidget(self.epochs)
        self.begins_at = self.plot
        session.state_changed.connect(self._on_state)
        session.step_finished.connect(self._on_step)
        session.player.changed.connect(self._on_player)
        self.plot.epoch_chosen.connect(self._on_epoch_chosen)
        self.plot.comparison_ended.connect(commands.curves.end_comparison)
        self.plot.set_axes(commands.curves.axes)
        commands.curves.axes_chosen.connect(self.plot.set_axes)
        commands.curves.picture_wanted.connect(self._on_picture_wanted)
        self.epochs.compare_wanted.connect(commands.epochs.compare)
        self.epochs.play_wanted.connect(commands.epochs.play)
        self.epochs.keep_wanted.connect(self._on_keep)
        self._on_state(session.state)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        shown = learning.shown_curve(state)
        self.plot.show_empty_words(shown.empty_words)
        if shown.saved is None:
            self.plot.follow(shown.lines, shown.epochs)
        elif shown.saved is not self._saved:
            self._show_saved(shown.saved)
        self._saved = shown.saved
        self.plot.show_beside(learning.comparison(state))
        if not state.is_training:
            self.plot.catch_up()
        self._show_epochs(state)
        self._show_verdicts(state)

    def _show_epochs(self, state: State) -> None:
        look, focused = epochs.look_of(state), self.window().focusWidget()
        if look is None and focused is not None and self.epochs.isAncestorOf(focused):
            self.begin()  # Qt would hand the focus on to some button
        self.epochs.setVisible(look is not None)
        if look is not None:
            self.epochs.show_look(look, self._commands.epochs.playing)

    def _show_verdicts(self, state: State) -> None:
        """Show both verdicts; beside the cards of a small window they share a line, which leaves the curve its room."""
        learned, takes = copying.learning_line(state), copying.takes_line(state)
        have_lines = self.epochs.isHidden() or self.height() >= _ROOMY_FROM
        self.learning_line.setVisible(have_lines)
        self.learning_line.setText(learned)
        self.takes_line.setText(takes if have_lines else " · ".join(filter(None, (learned, takes))))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the curve of a small window more room."""
        super().resizeEvent(event)
        self._show_verdicts(self._session.state)

    @Slot()
    def _on_player(self) -> None:
        self._show_epochs(self._session.state)

    @Slot(object)
    def _on_keep(self, which: Keep) -> None:
        self._commands.keep(next(action for action, keep in KEEPING.items() if keep is which))

    def _show_saved(self, model: ModelSummary) -> None:
        curve = saved_curve(model.prior_metadata or {})
        if curve is None:
            self.plot.follow(CurveLines(), ())
            return
        unigram = model.unigram_perplexity
        self.plot.show_saved(curve.epochs, curve.val_losses, curve.train_losses, curve.best_epoch, unigram)

    @Slot(object)
    def _on_picture_wanted(self, path: Path) -> None:
        caption = learning.caption(self._session.state)
        self._commands.curves.write_picture(path, picture_of(self.plot, caption))

    @Slot(object)
    def _on_step(self, step: StepMetrics) -> None:
        self.plot.add_step(step)

    @Slot(int, QPoint)
    def _on_epoch_chosen(self, epoch: int, where: QPoint) -> None:
        menu = self.epoch_menu(epoch)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with the curve."""
        if self.plot.geometry().contains(event.pos()):
            menu = self.curve_menu()
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(event.globalPos())

    def curve_menu(self) -> QMenu:
        """Return the menu of the curve: its axes, its comparison, its export."""
        menu, axes, can = QMenu(self), self._commands.curves.axes, available(self._session.state)
        checked = {ActionId.CURVE_BY_TIME: axes.by_time, ActionId.CURVE_LOGARITHMIC: not axes.is_linear}
        for identity, text in (VIEW_TEXTS | EXPORT_TEXTS).items():
            action = menu.addAction(text)
            action.setEnabled(identity in can)
            if identity in checked:
                action.setCheckable(True)
                action.setChecked(checked[identity])
            action.triggered.connect(lambda _=False, identity=identity: self._commands.trigger(identity))
        return menu

    def epoch_menu(self, epoch: int) -> QMenu:
        """Return the menu of an epoch of the curve: it is heard, and it is kept, if its weights still are."""
        state, menu = self._session.state, QMenu(self)
        if not generating.can_hear(state, epoch):
            menu.addAction(generating.not_kept_words(state, epoch)).setEnabled(False)
            return menu
        hear = menu.addAction(f"&Hear Epoch {epoch}")
        hear.triggered.connect(lambda: self._commands.takes.listen_to_epoch(epoch))
        if (keep := generating.keep_action(state, epoch)) is not None:
            menu.addAction(f"&Keep Epoch {epoch}").triggered.connect(lambda: self._commands.keep(keep))
        return menu
