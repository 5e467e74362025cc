"""The menu bar: an action for each row of the table, enabled while it is available."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from app.flows.action_spec import ActionSpec
from app.flows.actions import action_table
from app.flows.commands import Commands
from app.flows.help import Help
from app.flows.menus import CURVE_MENU, Menus
from app.flows.runs_list import RunsList
from app.flows.takes_list import TakesList
from app.presentation.controls import why_not_train
from app.session import Session
from app.session.available import APPEARANCES, ActionId, available
from app.session.state import State
from app.theme import icon
from app.words import as_tooltip, on_button, shown_name
from distill_core.text import printable


def _tell(action: QAction, tip: str) -> None:
    action.setToolTip(tip)
    action.setStatusTip(tip)


class Actions(QObject):
    """Builds the menus from the table, and enables each action while it is available."""

    def __init__(self, session: Session, commands: Commands, window: QMainWindow) -> None:
        super().__init__(window)
        self._session, self._commands = session, commands
        self.by_id: dict[ActionId, QAction] = {}
        self._tips: dict[ActionId, str] = {}
        self._icons: dict[ActionId, str] = {}
        menus = Menus(window)
        self.runs = RunsList(session, commands, window)
        self.takes = TakesList(session, commands, window)
        for spec in action_table(commands, Help(session, commands), self.runs, self.takes, session, window):
            menus.add(spec.menu, spec.id, self._build(spec))
        self.recents = QMenu("Open &Recent", menus["&File"])
        file_actions = menus["&File"].actions()
        after = file_actions[file_actions.index(self.by_id[ActionId.CHOOSE_SOUNDS]) + 1]
        menus["&File"].insertMenu(after, self.recents)
        self._group_appearances()
        self.to_compare = QMenu("Compare with &Recent", menus[CURVE_MENU])
        menus[CURVE_MENU].insertMenu(self.by_id[ActionId.END_COMPARISON], self.to_compare)
        self._check_remembered()
        self.recolor()
        for recents, fill in ((self.recents, self._fill_recents), (self.to_compare, self._fill_to_compare)):
            recents.setToolTipsVisible(True)  # models of one name in several folders
            recents.aboutToShow.connect(fill)
        session.state_changed.connect(self._on_state)
        commands.triggered.connect(self._on_triggered)
        self._on_state(session.state)

    def _build(self, spec: ActionSpec) -> QAction:
        action = QAction(spec.text, self)
        action.setObjectName(spec.id)
        if spec.keys is not None:
            action.setShortcut(QKeySequence(spec.keys))
        if spec.icon_name:
            self._icons[spec.id] = spec.icon_name
        self._tips[spec.id] = spec.tip
        _tell(action, spec.tip)
        action.triggered.connect(lambda checked=False: spec.call())
        self.by_id[spec.id] = action
        return action

    def recolor(self) -> None:
        """Draw the icons in the colour of the text."""
        for identity, name in self._icons.items():
            self.by_id[identity].setIcon(icon(name))

    def _check_remembered(self) -> None:
        """Have those checked that are on."""
        settings = self._session.settings
        remembered = {
            ActionId.WITH_SIDECAR: settings.saves_sidecar(),
            ActionId.CURVE_BY_TIME: settings.plots_time(),
            ActionId.CURVE_LOGARITHMIC: not settings.plots_evenly(),
        }
        for identity, is_on in remembered.items():
            self.by_id[identity].setCheckable(True)
            self.by_id[identity].setChecked(is_on)

    def _group_appearances(self) -> None:
        """Have one of the appearances checked: the remembered one, then the chosen one."""
        group = QActionGroup(self)
        for identity, choice in APPEARANCES.items():
            action = self.by_id[identity]
            action.setCheckable(True)
            action.setChecked(choice is self._session.settings.appearance())
            group.addAction(action)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        actions = available(state)
        for identity, action in self.by_id.items():
            action.setEnabled(identity in actions)
        _tell(self.by_id[ActionId.TRAIN], why_not_train(state) or self._tips[ActionId.TRAIN])
        self.recents.setEnabled(ActionId.OPEN_MODEL in actions)
        self.to_compare.setEnabled(ActionId.COMPARE_CURVE in actions)

    @Slot(object)
    def _on_triggered(self, identity: ActionId) -> None:
        self.by_id[identity].trigger()

    @Slot()
    def _fill_recents(self) -> None:
        self._list_models(self.recents, self._commands.open_recent)
        self.recents.addSeparator()
        clear = self.recents.addAction("&Clear")
        clear.setStatusTip("Forget these models; the files stay")
        clear.triggered.connect(self._on_clear)

    @Slot()
    def _fill_to_compare(self) -> None:
        self._list_models(self.to_compare, self._commands.curves.compare_with)

    def _list_models(self, menu: QMenu, call: Callable[[Path], object]) -> None:
        """Fill a menu with the models opened last."""
        menu.clear()
        for path in self._session.settings.recent_models():
            action = menu.addAction(on_button(shown_name(path)))
            action.setToolTip(as_tooltip(str(path)))
            action.setStatusTip(printable(str(path)))
            action.triggered.connect(lambda checked=False, path=path: call(path))

    @Slot()
    def _on_clear(self) -> None:
        self._session.settings.clear_recent_models()
