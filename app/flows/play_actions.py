"""The table of the Play menu."""

from __future__ import annotations

from app.flows.action_spec import ActionSpec
from app.flows.commands import Commands
from app.session.available import ActionId


def play_actions(commands: Commands) -> list[ActionSpec]:
    """Return the actions on what is heard."""
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
