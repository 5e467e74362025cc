"""The notice line: one message at a time, in a place of fixed height, so that nothing below it moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.flows import questions
from app.flows.commands import Commands
from app.presentation import notices
from app.presentation.notices import Notice
from app.session import Session
from app.session.available import KEEPING
from app.session.state import Page, State
from app.theme import TARGET, height_for
from app.widgets.banner import HEIGHT, Banner


class NoticePanel(QWidget):
    """Shows the warning about a training and the notice on what to do next, the weightier of them first.

    A refusal shows at once, before them, until something else happens; from then on it stands behind them.
    """

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self._answers: dict[str, Callable[[], object]] = {
            notices.STOP: commands.stop,
            notices.GO_ON: commands.go_on_memorizing,
            notices.EXPLAIN: commands.explain_perplexity,
            notices.COPY: commands.saving.save_copy,
            notices.REPLACE: commands.saving.replace_changed,
            notices.SAVE: commands.saving.save,
            notices.CONTINUE: commands.unfinished.go_on,
            notices.BEST: commands.unfinished.use_best,
            notices.DISCARD: commands.unfinished.discard,
            notices.REOPEN: self._reopen,
            notices.LOOK_AGAIN: session.look_for_use,
            notices.SAVE_TEXTS: commands.texts.save_though_changed,
            notices.SAVE_MODEL: commands.making.save_again,
            notices.MOVE_MODELS: commands.making.choose_folder,
            notices.SHOW_TAKES: partial(session.show_page, Page.TAKES),
            **{action: partial(commands.keep, action) for action in KEEPING},
        }
        self.memorization_banner = self._banner("memorizationBanner")
        self.notice_banner = self._banner("noticeBanner")
        self._messages: list[tuple[Banner, Notice]] = []
        self._place = 0  # of the one that shows
        self._refusal: Notice | None = None
        self._refused_beside: object = None  # what else there was when it came, None once that is different
        self.next_button = QPushButton()
        self.next_button.setObjectName("nextNoticeButton")
        self.next_button.setFixedHeight(height_for(self, TARGET))
        self.next_button.setAutoDefault(True)  # Enter clicks it
        self.next_button.setToolTip("There is more than one message; show the next one")
        self.next_button.clicked.connect(self._on_next)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.memorization_banner, 1)
        row.addWidget(self.notice_banner, 1)
        row.addWidget(self.next_button)
        self.setFixedHeight(height_for(self, HEIGHT))
        session.state_changed.connect(self._on_state)
        self._on_state(session.state)

    def _banner(self, name: str) -> Banner:
        banner = Banner()
        banner.setObjectName(name)
        banner.action_triggered.connect(self._on_action)
        banner.read_all_wanted.connect(partial(self._read_all, banner))
        banner.closed.connect(partial(self._put_away, banner))
        return banner

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._messages = self._with_refusal(state, self._lasting(state))
        self._place = self._place if self._place < len(self._messages) else 0
        self._show()

    def _lasting(self, state: State) -> list[tuple[Banner, Notice]]:
        """Return the warning and the notices, as far as there are any, in their order."""
        warning = notices.warning(state)
        warnings = [] if warning is None else [(self.memorization_banner, warning)]
        told = [(self.notice_banner, notice) for notice in notices.notices_of(state)]
        return [*told, *warnings] if notices.notice_comes_first(state) else [*warnings, *told]

    def _with_refusal(self, state: State, others: list[tuple[Banner, Notice]]) -> list[tuple[Banner, Notice]]:
        refusal, beside = notices.refusal(state), (state.page, *(message.title for _, message in others))
        if refusal != self._refusal:
            self._refusal, self._refused_beside, self._place = refusal, beside, 0
        elif beside != self._refused_beside:
            self._place = self._place if self._refused_beside is None else 0
            self._refused_beside = None
        if refusal is None:
            return others
        mine = (self.notice_banner, refusal)
        return [*others, mine] if self._refused_beside is None else [mine, *others]

    def _show(self) -> None:
        shown = self._messages[self._place] if self._messages else (None, None)
        for banner in (self.memorization_banner, self.notice_banner):
            _show(banner, shown[1] if banner is shown[0] else None)
        count = len(self._messages)
        self.next_button.setVisible(count > 1)
        self.next_button.setText(f"{self._place + 1} of {count}")

    def _put_away(self, banner: Banner) -> None:
        """Show a message no more: a warning that can be put away is that of copies."""
        if banner is self.memorization_banner:
            self._session.hide_copies()
        else:
            self._session.dismiss_refusals()

    @Slot()
    def _on_next(self) -> None:
        self._place = (self._place + 1) % len(self._messages)
        self._show()

    @Slot(str)
    def _on_action(self, action: str) -> None:
        self._answers[action]()

    def _read_all(self, banner: Banner) -> None:
        """Show a message with all its buttons in a dialog."""
        question = questions.whole_notice(banner.title(), banner.detail(), banner.actions_shown())
        self._commands.ask(question, self._on_answer)

    def _on_answer(self, answer: str) -> None:
        if answer in self._answers:
            self._answers[answer]()

    def _reopen(self) -> None:
        """Open the model of the training that was never saved."""
        if runs := self._session.state.open.recoverable:
            self._commands.open_model(runs[0].model)


def _show(banner: Banner, notice: Notice | None) -> None:
    if notice is None:
        banner.hide_message()
    else:
        banner.show_message(
            notice.kind, notice.title, notice.detail, notice.actions, notice.primary, notice.can_be_closed
        )
