"""The stage: the page of one chip, and below all pages the row with the buttons, the bar and the sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import controls, making, status
from app.presentation.controls import Button
from app.session import Session
from app.session.available import ActionId
from app.session.state import Page, State
from app.theme import height_for, set_primary
from app.widgets.page import PageWidget
from app.widgets.sentence import Sentence
from app.widgets.short_button import ShortButton
from app.widgets.tips import set_tip

if TYPE_CHECKING:
    from distill_core.events import JobProgress
    from distill_core.training.events import StepMetrics

_BAR_STEPS, _BUTTONS = 1000, 4  # the first, that of the best so far, and two for others
_BAR_HEIGHT, _BAR_GAP, _BUTTON_HEIGHT, _COMPACT_BUTTON_HEIGHT = 10, 4, 36, 32
_SENTENCE_CHARS = 20
LEAST_HEIGHT = 260  # px


class StagePanel(QWidget):
    """Shows the page that the state names, that of the start while nothing is open, or that of a model's making.

    The last of these takes the place of the Learning page, which is a prior's.
    """

    def __init__(
        self,
        session: Session,
        commands: Commands,
        start: PageWidget,
        making_page: PageWidget,
        pages: Mapping[Page, PageWidget],
    ) -> None:
        super().__init__()
        self.setObjectName("stagePanel")
        self._session, self._commands = session, commands
        self._start, self._making_page, self._pages = start, making_page, pages
        self._turned_to = start
        self.stack = QStackedWidget()
        for page in (start, making_page, *pages.values()):
            self.stack.addWidget(page)
        self.buttons = [self._new_button() for _ in range(_BUTTONS)]
        self.train_button, self.best_button, *_ = self.buttons
        self._shown: list[Button | None] = []
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_HEIGHT)
        self.bar.setAccessibleName("Progress")
        self.sentence = Sentence()
        self.sentence.setObjectName("statusSentence")
        # Many buttons must not leave nothing of it.
        self.sentence.setMinimumWidth(_SENTENCE_CHARS * self.sentence.fontMetrics().averageCharWidth())
        self._lay_out()
        self._connect()
        self.setMinimumHeight(LEAST_HEIGHT)
        self._on_state(session.state)

    def _new_button(self) -> ShortButton:
        button = ShortButton()
        button.setAutoDefault(True)  # Enter clicks it
        return button

    def _lay_out(self) -> None:
        self.train_button.setObjectName("trainButton")
        self.train_button.setMinimumWidth(150)
        self.best_button.setObjectName("listenToBestButton")
        row = QHBoxLayout()
        row.setSpacing(8)
        for button in self.buttons:
            row.addWidget(button)
        self._beside = QWidget()  # as high as the buttons, or as a bar and a line of words
        self._set_heights(_BUTTON_HEIGHT)
        middle = QVBoxLayout(self._beside)
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(_BAR_GAP)
        middle.addWidget(self.bar)
        middle.addWidget(self.sentence, 1)
        self._beside.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row.addWidget(self._beside)  # with a stretch it would get the least that it needs before the buttons' words
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.stack, 1)
        column.addLayout(row)

    def _connect(self) -> None:
        for place, button in enumerate(self.buttons):
            button.clicked.connect(partial(self._on_clicked, place))
        self._session.state_changed.connect(self._on_state)
        self._session.progress.connect(self._on_progress)
        self._session.training_started.connect(self._on_started)
        self._session.making_started.connect(self._on_started)
        self._session.step_finished.connect(self._on_step)
        self._session.making_step.connect(self._on_step)

    def set_compact(self, is_compact: bool) -> None:
        """Take less room below the page."""
        self._set_heights(_COMPACT_BUTTON_HEIGHT if is_compact else _BUTTON_HEIGHT)

    def _set_heights(self, usual: int) -> None:
        height = height_for(self.train_button, usual)
        for button in self.buttons:
            button.setFixedHeight(height)
        self._beside.setFixedHeight(max(height, _BAR_HEIGHT + _BAR_GAP + self.sentence.fontMetrics().height()))

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._turn_to(self._page(state))
        making_s = self._session.making_estimate() if controls.can_make_first(state) else None
        self._show_buttons(controls.footer(state, making_s))
        self.bar.setVisible(controls.has_bar(state))
        self.sentence.want(status.LONGEST * controls.has_bar(state))
        if controls.bar_has_no_numbers(state):
            self.bar.setRange(0, 0)
        self._show_sentence(state)

    def _page(self, state: State) -> PageWidget:
        if state.open.is_empty:
            return self._start
        is_making = state.page is Page.LEARNING and making.shows_error(state)
        return self._making_page if is_making else self._pages[state.page]

    def _turn_to(self, page: PageWidget) -> None:
        focused = self.window().focusWidget()
        if page is self.stack.currentWidget():
            if focused is page:
                page.begin()  # what was not shown before may be now
            return
        self._turned_to = page
        is_here = focused is not None and self.stack.isAncestorOf(focused)
        if focused is not None and is_here:
            focused.clearFocus()  # Qt would hand it on to some button, which takes the space bar then
        self.stack.setCurrentWidget(page)
        if is_here or focused is None:
            page.begin()

    def _show_buttons(self, looks: tuple[Button, ...]) -> None:
        first, *others = looks
        best = next((look for look in others if look.action is ActionId.LISTEN_TO_BEST), None)
        rest = [look for look in others if look is not best]
        before, self._shown = self._shown, [first, best, *rest, *[None] * (_BUTTONS - 2 - len(rest))]
        self._move_focus(before)
        for button, look in zip(self.buttons, self._shown, strict=True):
            button.setVisible(look is not None)
            if look is not None:
                button.set_words(look.text, look.short)
                button.setEnabled(look.is_enabled)
                set_tip(button, look.tip or look.text * bool(look.short))
                set_primary(button, look.is_primary)

    def _move_focus(self, before: Sequence[Button | None]) -> None:
        """Give the page the focus of a button that does something else now, so that a second press stops nothing."""
        focused = self.window().focusWidget()
        for button, then, now in zip(self.buttons, before, self._shown, strict=False):
            stays = then is not None and now is not None and now.action is then.action and now.is_enabled
            if button is focused and not stays:
                button.clearFocus()  # Qt would hand it on to some other button
                self._turned_to.begin()

    @Slot()
    def _on_clicked(self, place: int) -> None:
        if (look := self._shown[place]) is not None:
            self._commands.trigger(look.action)

    def _show_sentence(self, state: State) -> None:
        self.sentence.setText(status.main_text(state, self._session.estimate_seconds() if state.is_idle else None))

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        state = self._session.state
        if controls.bar_counts_progress(state):
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
        if controls.tells_progress(state):
            self.sentence.setText(status.progress_text(progress))

    @Slot(object)
    def _on_started(self, event: object) -> None:
        self.bar.setRange(0, _BAR_STEPS)
        self.bar.setValue(0)

    @Slot(object)
    def _on_step(self, step: StepMetrics) -> None:
        self.bar.setValue(round(_BAR_STEPS * controls.share_done(self._session.state, step)))
        self._show_sentence(self._session.state)  # in place of the epoch's preparation

    def button_of(self, action: ActionId) -> QPushButton:
        """Return the button that does an action now.

        Raises:
            ValueError: none does.
        """
        return self.buttons[[look and look.action for look in self._shown].index(action)]
