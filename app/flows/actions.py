"""The table of actions: their names, keys, calls and tips."""

from __future__ import annotations

from functools import partial

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMainWindow

from app.flows.action_spec import ActionSpec
from app.flows.commands import Commands
from app.flows.help import Help
from app.flows.menus import EXPORT_MENU
from app.flows.play_actions import play_actions
from app.flows.runs_list import RunsList
from app.flows.takes_list import TakesList
from app.flows.view_actions import view_actions
from app.presentation import making
from app.presentation.controls import BEST_TIP, CANCEL_TIP, FURTHER_TIP
from app.presentation.copying import CHECK_TIP
from app.session import Session
from app.session.available import ActionId

_GENERATE, _TROUBLESHOOTING = "&Generate", "&Help/&Troubleshooting"
_KEEP = {
    ActionId.KEEP_BEST: ("&Keep Best", "Of the training, keep the epoch of the lowest perplexity"),
    ActionId.KEEP_LAST: ("Keep &Last", "Of the training, keep the last epoch"),
    ActionId.KEEP_BEFORE_MEMORIZING: (
        "Keep Best Before &Memorizing",
        "Of the training, keep the best epoch before it began to memorize",
    ),
}


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
            "Put what was learned into the open model file",
            "save",
        ),
        ActionSpec(
            ActionId.SAVE_COPY,
            "&File",
            "Save a Copy &As…",
            "Ctrl+Shift+S",
            commands.saving.save_copy,
            "Save a copy of the model with what was learned",
        ),
        ActionSpec(
            ActionId.RESTORE,
            "&File",
            "Restore Previous &Version…",
            None,
            commands.saving.restore,
            "Put the version before the last save back; the present one is kept in its place",
        ),
        ActionSpec(
            ActionId.EDIT_MODEL,
            "&File",
            "Edit &Name and Notes",
            None,
            commands.edit_model,
            "Change the model's name and the notes on it",
        ),
        ActionSpec(
            ActionId.EXPORT_PLUGIN,
            EXPORT_MENU,
            "&Plugin (Neutone Gen)…",
            None,
            commands.plugin.export,
            "Write the saved model for Neutone Gen, a plugin that makes takes in a DAW; not run in the real plugin yet",
        ),
        ActionSpec(
            ActionId.SHOW_IN_FOLDER,
            "&File",
            "Show in &Folder",
            None,
            commands.show_in_folder,
            "Open the folder of the last saved file, or of the model",
        ),
        ActionSpec(
            ActionId.EXPORT_PICTURE,
            EXPORT_MENU,
            "Curve as P&NG…",
            "Ctrl+E",
            commands.curves.export_picture,
            "Save the curve as a picture, with a caption",
        ),
        ActionSpec(
            ActionId.EXPORT_TABLE,
            EXPORT_MENU,
            "Curve as &CSV…",
            None,
            commands.curves.export_table,
            "Save the numbers of the curve as a table",
        ),
        ActionSpec(
            ActionId.TRY_DEMO,
            "&File",
            "Try the &Demo",
            None,
            commands.try_demo,
            "Open a small model and its sounds, to try things on",
        ),
        ActionSpec(
            ActionId.UNFINISHED_RUNS,
            "&File",
            "&Unfinished Trainings…",
            None,
            runs.show,
            "List the trainings that were never saved, also those whose model has moved",
        ),
        ActionSpec(ActionId.CLOSE, "&File", "C&lose", "Ctrl+W", window.close, "Close this window"),
        ActionSpec(ActionId.QUIT, "&File", "&Quit", "Ctrl+Q", window.close, "End Distill"),
    ]


def _training_actions(commands: Commands) -> list[ActionSpec]:
    return [
        ActionSpec(
            ActionId.MAKE_MODEL,
            "&Train",
            making.MAKE.replace("Make", "M&ake", 1),
            "Ctrl+Shift+M",
            commands.making.make,
            making.MAKE_TIP,
        ),
        ActionSpec(
            ActionId.MAKE_BOTH, "&Train", "Model, then &Prior", None, commands.making.make_both, making.MAKE_BOTH_TIP
        ),
        ActionSpec(ActionId.TRAIN, "&Train", "&Train", "Ctrl+R", commands.train, "Learn how the sounds go on", "train"),
        ActionSpec(
            ActionId.STOP,
            "&Train",
            "&Stop",
            "Esc",
            commands.stop,
            "End the training and keep its best epoch, or the best before it began to memorize",
            "stop",
        ),
        ActionSpec(
            ActionId.CANCEL_TRAINING,
            "&Train",
            "Cancel &Without Keeping…",
            None,
            commands.cancel_training,
            CANCEL_TIP,
        ),
        ActionSpec(
            ActionId.TRAIN_FURTHER,
            "&Train",
            "Train &Further",
            None,
            commands.unfinished.train_further,
            FURTHER_TIP,
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
        ActionSpec(
            ActionId.USE_BEST,
            "&Train",
            "&Use Its Best",
            None,
            commands.unfinished.use_best,
            "Take the best epoch of the training that was never saved, to be saved",
        ),
        ActionSpec(
            ActionId.DISCARD,
            "&Train",
            "&Discard Unfinished Training…",
            None,
            commands.unfinished.discard,
            "Remove the training that was never saved",
        ),
        ActionSpec(
            ActionId.LEAVE_OUT,
            "&Train",
            "Leave Sounds &Out",
            None,
            commands.sounds.leave_out_or_take_back,
            "Have the next training do without the sounds chosen on the Sounds page, or take them back in",
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
            "Make a take: new sound from what the model has learned; once more to cancel it",
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
            ActionId.SAVE_TAKE, _GENERATE, "&Save Take…", "Ctrl+T", takes.save, "Save the chosen take as a file"
        ),
        ActionSpec(
            ActionId.SAVE_ALL_TAKES,
            _GENERATE,
            "Save &All Takes…",
            "Ctrl+Shift+T",
            takes.save_all,
            "Save every take into a folder",
        ),
        ActionSpec(
            ActionId.WITH_SIDECAR,
            _GENERATE,
            "With a &JSON of How It Was Made",
            None,
            takes.turn_sidecar,
            "Save a small file beside each take that tells its model, its seed and its settings",
        ),
        ActionSpec(ActionId.DELETE_TAKE, _GENERATE, "&Delete Take", None, takes.delete, "Delete the chosen take"),
        ActionSpec(
            ActionId.BRING_TAKE_BACK,
            _GENERATE,
            "&Undo Delete",
            QKeySequence.StandardKey.Undo,
            takes.bring_back,
            "Bring the take back that was deleted last",
        ),
        ActionSpec(ActionId.CHECK_COPIES, _GENERATE, "&Check for Copies", None, takes.check_for_copies, CHECK_TIP),
        ActionSpec(
            ActionId.STOP_CHECKING,
            _GENERATE,
            "Stop Chec&king",
            None,
            takes.stop_checking,
            "End the check for copies; what was known before stays",
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
        ActionSpec(
            ActionId.OPEN_LOGS,
            _TROUBLESHOOTING,
            "Open &Log Folder",
            None,
            help_menu.open_logs,
            "Show the files in which Distill notes what it does",
        ),
    ]


def action_table(
    commands: Commands, help_menu: Help, runs: RunsList, takes: TakesList, session: Session, window: QMainWindow
) -> list[ActionSpec]:
    """Return every action of the menus, in their order."""
    return [
        *_file_actions(commands, runs, window),
        *_training_actions(commands),
        *_take_actions(commands),
        *play_actions(commands),
        *view_actions(commands, session),
        ActionSpec(
            ActionId.EXPLAIN_PERPLEXITY,
            "&Help",
            "What Is &Perplexity?",
            "F1",
            commands.explain_perplexity,
            "Explain the number that falls while it learns",
        ),
        ActionSpec(
            ActionId.REGISTER,
            "&Help",
            "&Add Distill to the Applications Menu",
            None,
            help_menu.register,
            "Have the desktop know Distill and its files",
        ),
        *_troubleshooting(commands, help_menu, takes),
        ActionSpec(
            ActionId.ABOUT, "&Help", "A&bout Distill", None, help_menu.about, "Show the versions and the licence"
        ),
    ]
