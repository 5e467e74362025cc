"""The table of actions: their names, keys, calls and tips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from app.flows.commands import Commands
from app.flows.help import Help
from app.flows.runs_list import RunsList
from app.flows.takes_list import TakesList
from app.presentation import making
from app.presentation.controls import BEST_TIP
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import Page, State
from app.theme import icon
from app.words import as_tooltip, on_button, shown_name

_Keys = QKeySequence.StandardKey | str | None

_OF_PLAYER = (ActionId.PLAY, ActionId.LOOP, ActionId.FLIP, ActionId.FLIP_SIDE)
_GENERATE, _TROUBLESHOOTING = "&Generate", "&Help/&Troubleshooting"
_KEEP = {
    ActionId.KEEP_BEST: ("&Keep Best", "Of the training, keep the epoch of the lowest perplexity"),
    ActionId.KEEP_LAST: ("Keep &Last", "Of the training, keep the last epoch"),
    ActionId.KEEP_BEFORE_MEMORIZING: (
        "Keep Best Before &Memorizing",
        "Of the training, keep the best epoch before it began to memorize",
    ),
}


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action; `menu` is the title of its menu, or that of a menu within one: "&Help/&Troubleshooting"."""

    id: ActionId
    menu: str
    text: str
    keys: _Keys
    call: Callable[[], object]
    tip: str = ""
    icon_name: str = ""


def _file_actions(commands: Commands, runs: RunsList, window: QMainWindow) -> list[ActionSpec]:
    return [
        ActionSpec(
            ActionId.OPEN_MODEL,
            "&File",
            "&Open Model…",
            QKeySequence.StandardKey.Open,
            commands.browse_model,
            "Open a .distill file",
            "model",
        ),
        ActionSpec(
            ActionId.CHOOSE_SOUNDS,
            "&File",
            "&Choose Sounds…",
            "Ctrl+Shift+O",
            commands.browse_sounds,
            "Choose the folder of sounds to learn from",
            "sounds",
        ),
        ActionSpec(
            ActionId.SAVE_PRIOR,
            "&File",
            "&Save Prior into Model",
            QKeySequence.StandardKey.Save,
            commands.saving.save,
            "Put the trained prior into the open model file",
            "save",
        ),
        ActionSpec(
            ActionId.SAVE_COPY,
            "&File",
            "Save a Copy &As…",
            "Ctrl+Shift+S",
            commands.saving.save_copy,
            "Save a copy of the model with the trained prior",
        ),
        ActionSpec(
            ActionId.RESTORE,
            "&File",
            "&Restore Previous Version…",
            None,
            commands.saving.restore,
            "Put the version before the last save back; the present one is kept in its place",
        ),
        ActionSpec(ActionId.SHOW_IN_FOLDER, "&File", "Show in &Folder", None, commands.show_in_folder),
        ActionSpec(ActionId.TRY_DEMO, "&File", "Try the &Demo", None, commands.try_demo),
        ActionSpec(
            ActionId.UNFINISHED_RUNS,
            "&File",
            "&Unfinished Trainings…",
            None,
            runs.show,
            "List the trainings that were never saved, also those whose model has moved",
        ),
        ActionSpec(ActionId.CLOSE, "&File", "C&lose", "Ctrl+W", window.close),
        ActionSpec(ActionId.QUIT, "&File", "&Quit", "Ctrl+Q", window.close),
    ]


def _training_actions(commands: Commands) -> list[ActionSpec]:
    return [
        ActionSpec(
            ActionId.MAKE_MODEL, "&Train", f"&{making.MAKE}", "Ctrl+Shift+M", commands.making.make, making.MAKE_TIP
        ),
        ActionSpec(
            ActionId.MAKE_BOTH, "&Train", "Model, then &Prior", None, commands.making.make_both, making.MAKE_BOTH_TIP
        ),
        ActionSpec(
            ActionId.TRAIN, "&Train", "&Train", "Ctrl+R", commands.train, "Train a prior on the sounds", "train"
        ),
        ActionSpec(
            ActionId.STOP,
            "&Train",
            "&Stop",
            "Esc",
            commands.stop,
            "End the training and keep its best epoch, or the best before it began to memorize",
            "stop",
        ),
        *(
            ActionSpec(action, "&Train", text, None, partial(commands.keep, action), tip)
            for action, (text, tip) in _KEEP.items()
        ),
        ActionSpec(
            ActionId.CONTINUE,
            "&Train",
            "&Continue Unfinished Training",
            None,
            commands.unfinished.go_on,
            "Go on with the training that was never saved",
        ),
        ActionSpec(ActionId.USE_BEST, "&Train", "&Use Its Best", None, commands.unfinished.use_best),
        ActionSpec(ActionId.DISCARD, "&Train", "&Discard Unfinished Training", None, commands.unfinished.discard),
    ]


def _player_actions(commands: Commands) -> list[ActionSpec]:
    return [
        ActionSpec(
            ActionId.PLAY,
            "&Play",
            "&Play or Stop",
            "Ctrl+Space",
            commands.play,
            "Play what is in the player, or stop; the space bar alone does it too where it means nothing else",
            "play",
        ),
        ActionSpec(ActionId.LOOP, "&Play", "&Loop", "Ctrl+L", commands.loop, "Begin again at the end, or not", "loop"),
        ActionSpec(
            ActionId.FLIP,
            "&Play",
            "&Compare A with B",
            "Ctrl+B",
            commands.flip,
            "Go from one of the last two sounds to the other, in mid-sound",
        ),
        ActionSpec(
            ActionId.FLIP_SIDE,
            "&Play",
            "Compare &Original with Model",
            "Ctrl+M",
            commands.hearing.flip_side,
            "Go from a source sound to what the model makes of it, or back",
        ),
    ]


def _take_actions(commands: Commands) -> list[ActionSpec]:
    takes = commands.takes
    return [
        ActionSpec(
            ActionId.GENERATE,
            _GENERATE,
            "&Generate",
            "Ctrl+G",
            takes.generate_or_cancel,
            "Make a take: new sound from what the prior has learned; once more to cancel it",
        ),
        ActionSpec(
            ActionId.LISTEN_TO_BEST,
            _GENERATE,
            "&Listen to Best So Far",
            "Ctrl+Shift+G",
            takes.listen_to_best,
            BEST_TIP,
        ),
        ActionSpec(
            ActionId.SAVE_TAKE, _GENERATE, "&Save Take…", "Ctrl+E", takes.save, "Save the chosen take as a file"
        ),
        ActionSpec(ActionId.SAVE_ALL_TAKES, _GENERATE, "Save &All Takes…", "Ctrl+Shift+E", takes.save_all),
        ActionSpec(ActionId.DELETE_TAKE, _GENERATE, "&Delete Take", None, takes.delete, "Delete the chosen take"),
        ActionSpec(
            ActionId.BRING_TAKE_BACK,
            _GENERATE,
            "&Undo Delete",
            QKeySequence.StandardKey.Undo,
            takes.bring_back,
            "Bring the take back that was deleted last",
        ),
    ]


def _troubleshooting(commands: Commands, help_menu: Help, takes: TakesList) -> list[ActionSpec]:
    return [
        ActionSpec(
            ActionId.ALL_TAKES,
            _TROUBLESHOOTING,
            "&Takes of All Models…",
            None,
            takes.show,
            "See how much room takes use, and remove those of models that are gone",
        ),
        ActionSpec(
            ActionId.CLEAR_CACHE,
            _TROUBLESHOOTING,
            "&Clear Cache",
            None,
            commands.clear_cache,
            "Remove the codes that are kept so that the next training on the same sounds starts sooner",
        ),
        ActionSpec(ActionId.OPEN_LOGS, _TROUBLESHOOTING, "Open &Log Folder", None, help_menu.open_logs),
    ]


def _view_actions(commands: Commands, session: Session) -> list[ActionSpec]:
    pages = {
        ActionId.SHOW_SOUNDS: ("&Sounds", "Ctrl+1", Page.SOUNDS),
        ActionId.SHOW_LEARNING: ("&Learning", "Ctrl+2", Page.LEARNING),
        ActionId.SHOW_TAKES: ("&Takes", "Ctrl+3", Page.TAKES),
    }
    return [
        *(
            ActionSpec(action, "&View", text, keys, partial(session.show_page, page))
            for action, (text, keys, page) in pages.items()
        ),
        ActionSpec(ActionId.INSPECT, "&View", "&Inspect", "F9", commands.show_inspect),
        ActionSpec(ActionId.OPTIONS, "&View", "&Options", "Ctrl+,", commands.show_options),
    ]


def action_table(
    commands: Commands, help_menu: Help, runs: RunsList, takes: TakesList, session: Session, window: QMainWindow
) -> list[ActionSpec]:
    """Return every action of the menus, in their order."""
    return [
        *_file_actions(commands, runs, window),
        *_training_actions(commands),
        *_take_actions(commands),
        *_player_actions(commands),
        *_view_actions(commands, session),
        ActionSpec(ActionId.EXPLAIN_PERPLEXITY, "&Help", "What Is &Perplexity?", "F1", commands.explain_perplexity),
        ActionSpec(ActionId.REGISTER, "&Help", "&Add Distill to the Applications Menu…", None, help_menu.register),
        *_troubleshooting(commands, help_menu, takes),
        ActionSpec(ActionId.ABOUT, "&Help", "A&bout Distill", None, help_menu.about),
    ]


def _menu(title: str, menus: dict[str, QMenu], window: QMainWindow) -> QMenu:
    outer, _, inner = title.partition("/")
    return menus[outer].addMenu(inner) if inner else window.menuBar().addMenu(title)


class Actions(QObject):
    """Builds the menus from the table, and enables each action while it is available."""

    def __init__(self, session: Session, commands: Commands, window: QMainWindow) -> None:
        super().__init__(window)
        self._session, self._commands = session, commands
        self.by_id: dict[ActionId, QAction] = {}
        menus: dict[str, QMenu] = {}
        self.runs = RunsList(session, commands, window)
        self.takes = TakesList(session, commands, window)
        for spec in action_table(commands, Help(session, commands), self.runs, self.takes, session, window):
            if spec.menu not in menus:
                menus[spec.menu] = _menu(spec.menu, menus, window)
            menus[spec.menu].addAction(self._build(spec))
        commands.files.actions = [self.by_id[identity] for identity in _OF_PLAYER]
        self.recents = QMenu("Open &Recent", menus["&File"])
        menus["&File"].insertMenu(self.by_id[ActionId.SAVE_PRIOR], self.recents)
        self.recents.setToolTipsVisible(True)  # models of one name in several folders
        self.recents.aboutToShow.connect(self._fill_recents)
        session.state_changed.connect(self._on_state)
        commands.triggered.connect(self._on_triggered)
        self._on_state(session.state)

    def _build(self, spec: ActionSpec) -> QAction:
        action = QAction(spec.text, self)
        action.setObjectName(spec.id)
        if spec.keys is not None:
            action.setShortcut(QKeySequence(spec.keys))
        if spec.icon_name:
            action.setIcon(icon(spec.icon_name))
        if spec.tip:
            action.setToolTip(spec.tip)
            action.setStatusTip(spec.tip)
        action.triggered.connect(lambda checked=False: spec.call())
        self.by_id[spec.id] = action
        return action

    @Slot(object)
    def _on_state(self, state: State) -> None:
        actions = available(state)
        for identity, action in self.by_id.items():
            action.setEnabled(identity in actions)
        self.recents.setEnabled(ActionId.OPEN_MODEL in actions)

    @Slot(object)
    def _on_triggered(self, identity: ActionId) -> None:
        self.by_id[identity].trigger()

    @Slot()
    def _fill_recents(self) -> None:
        self.recents.clear()
        for path in self._session.settings.recent_models():
            action = self.recents.addAction(on_button(shown_name(path)))
            action.setToolTip(as_tooltip(str(path)))
            action.triggered.connect(lambda checked=False, path=path: self._commands.open_recent(path))
        self.recents.addSeparator()
        self.recents.addAction("&Clear").triggered.connect(self._on_clear)

    @Slot()
    def _on_clear(self) -> None:
        self._session.settings.clear_recent_models()
