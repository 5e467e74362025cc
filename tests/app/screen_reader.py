"""Does the main job as a screen reader's user does it: by the names, roles and states that AT-SPI tells, and no others.

Another program on the accessibility bus, for the system's Python, which has pyatspi: it presses, types and reads, knows
nothing of Distill's code, and says each step. It starts the program that it is given: SOUNDS FOLDER COMMAND…
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyatspi
from gi.repository import GLib

LONGEST_S = 150
LOOK_S = 0.1


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def shown_below(part: Any) -> Iterator[Any]:
    """Yield what is shown of a part of the screen."""
    for place in range(part.childCount):
        child = part.getChildAtIndex(place)
        if child is not None and child.getState().contains(pyatspi.STATE_SHOWING):
            yield child
            yield from shown_below(child)


class Reader:
    """The user of one program."""

    def __init__(self) -> None:
        self.end = time.monotonic() + LONGEST_S
        self.announced: list[str] = []
        pyatspi.Registry.registerEventListener(self._hear, "object:announcement")
        self.program = self.wait_for("the program", self._program)

    def _hear(self, event: Any) -> None:
        self.announced.append(event.any_data)

    def _program(self) -> Any:
        desktop = pyatspi.Registry.getDesktop(0)
        return next((each for each in desktop if each is not None and each.name == "Distill" and each.childCount), None)

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Wait until a look finds something, and return it."""
        while time.monotonic() < self.end:
            try:
                if found := look():
                    return found
            except Exception as error:  # noqa: BLE001 - a part went while it was looked at
                say(f"  ({type(error).__name__}: {error})")
            while GLib.MainContext.default().iteration(False):
                pass
            time.sleep(LOOK_S)
        self.tell()
        sys.exit(f"{what} did not come")

    def tell(self) -> None:
        """Say all that is shown."""
        for part in shown_below(self.program):
            if part.name:
                say(f"  {part.getRoleName()}: {part.name} – {part.description}")

    def find(self, begin: str, *roles: Any) -> Any:
        """Return what is shown under a name that begins so, of one of these roles; a dialog hides what is behind."""
        dialogs = [part for part in self.program if part is not None and part.getRole() == pyatspi.ROLE_DIALOG]
        for part in shown_below(dialogs[-1] if dialogs else self.program):
            if part.name.startswith(begin) and part.getRole() in roles:
                return part
        return None

    def press(self, begin: str, *roles: Any) -> None:
        """Press a button, once it can be pressed."""

        def ready() -> Any:
            found = self.find(begin, *(roles or (pyatspi.ROLE_PUSH_BUTTON, pyatspi.ROLE_TOGGLE_BUTTON)))
            return found if found is not None and found.getState().contains(pyatspi.STATE_ENABLED) else None

        button = self.wait_for(f"a button “{begin}”", ready)
        say(f"press {button.name}")
        actions = button.queryAction()
        names = [actions.getName(number) for number in range(actions.nActions)]
        actions.doAction(names.index("Press") if "Press" in names else 0)

    def write(self, begin: str, text: str) -> None:
        """Type into a field."""
        field = self.wait_for(f"a field “{begin}”", lambda: self.find(begin, pyatspi.ROLE_TEXT, pyatspi.ROLE_ENTRY))
        say(f"write {text} into {field.name}")
        field.queryEditableText().setTextContents(text)

    def hear(self, begin: str) -> None:
        """Wait until an announcement begins so."""
        announced = self.wait_for(f"the announcement “{begin}”", lambda: self._announced(begin))
        say(f"hear {announced}")

    def _announced(self, begin: str) -> str:
        return next((text for text in self.announced if text.startswith(begin)), "")

    def read(self, *words: str) -> str:
        """Wait until a text with one of these words is shown, and return it."""

        def look() -> str:
            names = (part.name for part in shown_below(self.program))
            return next((name for name in names if any(word in name for word in words)), "")

        told: str = self.wait_for(f"a text with {words}", look)
        say(f"read {told}")
        return told


def main(sounds: str, command: list[str]) -> None:
    program = subprocess.Popen(command)
    try:
        reader = Reader()
        reader.press("Choose Folder")
        reader.write("Directory", sounds)
        reader.press("Choose")
        reader.press("Make a Model")
        reader.read("Saved into")
        reader.press("Train")
        reader.read("Epoch 1", "epoch 1")
        reader.press("Stop")
        reader.hear("Trained – not saved yet.")
        reader.press("Save into")
        reader.read("Show in Folder")
        reader.read("Take 1 ·")
        reader.press("♪ Generate")
        reader.press("Take 2,")
        reader.read("Take 2 ·")
        say("done")
    finally:
        program.terminate()
        program.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
