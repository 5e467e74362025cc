"""The table of the View menu."""

from __future__ import annotations

from functools import partial

from app.flows.action_spec import ActionSpec
from app.flows.commands import Commands
from app.flows.curves import VIEW_TEXTS
from app.flows.menus import APPEARANCE_MENU, CURVE_MENU
from app.session import Session
from app.session.available import APPEARANCES, ActionId
from app.session.state import Page


def view_actions(commands: Commands, session: Session) -> list[ActionSpec]:
    """Return the actions that show something, and those that say how."""
    pages = {
        ActionId.SHOW_SOUNDS: ("&Sounds", "Ctrl+1", Page.SOUNDS, "Show the sounds that are open"),
        ActionId.SHOW_LEARNING: ("&Learning", "Ctrl+2", Page.LEARNING, "Show how well the model knows the sounds"),
        ActionId.SHOW_TAKES: ("&Takes", "Ctrl+3", Page.TAKES, "Show what the model has made"),
    }
    return [
        *(
            ActionSpec(action, "&View", text, keys, partial(session.show_page, page), tip)
            for action, (text, keys, page, tip) in pages.items()
        ),
        ActionSpec(
            ActionId.INSPECT, "&View", "&Inspect", "F9", commands.show_inspect, "Show what is known about the model"
        ),
        ActionSpec(ActionId.OPTIONS, "&View", "&Options", "Ctrl+,", commands.show_options, "Show how it is trained"),
        ActionSpec(
            ActionId.COPIES,
            "&View",
            "&Copies",
            "F8",
            commands.show_copies,
            "Show whether what the model makes are copies of your sounds",
        ),
        *_curve_actions(commands),
        *_appearances(commands),
    ]


def _curve_actions(commands: Commands) -> list[ActionSpec]:
    curves = commands.curves
    actions = {
        ActionId.CURVE_BY_TIME: (
            curves.turn_time,
            "Have the curve's axis count minutes instead of epochs, where it is known when each ended",
        ),
        ActionId.CURVE_LOGARITHMIC: (
            curves.turn_logarithm,
            "Give small perplexities as much room as large ones, or all steps the same",
        ),
        ActionId.COMPARE_CURVE: (curves.compare, "Show the curve of another model beside"),
        ActionId.END_COMPARISON: (curves.end_comparison, "Show this model's curve alone"),
    }
    return [
        ActionSpec(action, CURVE_MENU, VIEW_TEXTS[action], None, call, tip) for action, (call, tip) in actions.items()
    ]


def _appearances(commands: Commands) -> list[ActionSpec]:
    texts = {
        ActionId.APPEARANCE_SYSTEM: ("&System", "Be light or dark as the desktop is"),
        ActionId.APPEARANCE_LIGHT: ("&Light", "Be light whatever the desktop is"),
        ActionId.APPEARANCE_DARK: ("&Dark", "Be dark whatever the desktop is"),
    }
    return [
        ActionSpec(action, APPEARANCE_MENU, text, None, partial(commands.choose_appearance, APPEARANCES[action]), tip)
        for action, (text, tip) in texts.items()
    ]
