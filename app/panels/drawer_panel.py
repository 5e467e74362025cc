"""The drawer at the right edge: the facts of the model, the options of the next training, and what is a copy."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.flows.commands import Commands
from app.session import Session
from app.widgets.drawer import ROOMY, Drawer

INSPECT, OPTIONS, COPIES, CLOSED = "inspect", "options", "copies", "closed"
_OPENS_ITSELF_FROM = 1200  # px of the window's width


class DrawerPanel(Drawer):
    """Opens at one of its sides, and remembers which; one that was closed on purpose opens no more by itself.

    `turned_to(str)`: it shows another side, or is closed.
    """

    turned_to = Signal(str)

    def __init__(
        self, session: Session, commands: Commands, inspect: QWidget, options: QWidget, copies: QWidget
    ) -> None:
        super().__init__()
        self._settings, self._sides = session.settings, {INSPECT: inspect, OPTIONS: options, COPIES: copies}
        self._opened_itself, self._room = False, 0
        self.tabs.addTab(inspect, "Inspect")
        self.tabs.addTab(options, "Options")
        self.tabs.addTab(copies, "Copies")
        commands.inspect_wanted.connect(self._on_inspect_wanted)
        commands.options_wanted.connect(self._on_options_wanted)
        commands.copies_wanted.connect(self._on_copies_wanted)
        commands.edit_wanted.connect(self._on_edit_wanted)
        session.model_opened.connect(self._on_model_opened)
        self.tabs.currentChanged.connect(self._on_tab_chosen)
        self.closed.connect(self._on_closed)

    def turn_to(self, side: str) -> None:
        """Show a side, or close: "inspect", "options", "copies" or "closed"."""
        if side != CLOSED:
            with QSignalBlocker(self.tabs):
                self.tabs.setCurrentWidget(self._sides[side])
        self._opened_itself = False
        self.setVisible(side != CLOSED)
        self.turned_to.emit(side)

    def give_room(self, width: int) -> None:
        """Take the width of the window; where it would hide the page, a drawer that nobody asked for steps back."""
        self._room = width
        if self._opened_itself:
            self.setVisible(width >= ROOMY)

    def _choose(self, side: str) -> None:
        self._settings.set_drawer(side)
        self.turn_to(side)

    def _toggle(self, side: str) -> None:
        is_open = not self.isHidden() and self.tabs.currentWidget() is self._sides[side]
        self._choose(CLOSED if is_open else side)

    @Slot()
    def _on_inspect_wanted(self) -> None:
        self._toggle(INSPECT)

    @Slot()
    def _on_options_wanted(self) -> None:
        self._toggle(OPTIONS)

    @Slot()
    def _on_copies_wanted(self) -> None:
        self._toggle(COPIES)

    @Slot()
    def _on_edit_wanted(self) -> None:
        self._choose(INSPECT)

    @Slot()
    def _on_closed(self) -> None:
        self._choose(CLOSED)

    @Slot(int)
    def _on_tab_chosen(self, place: int) -> None:
        self._choose(next(side for side, widget in self._sides.items() if widget is self.tabs.widget(place)))

    @Slot(object)
    def _on_model_opened(self, summary: object) -> None:
        remembered = self._settings.drawer()
        if self._room >= _OPENS_ITSELF_FROM and remembered != CLOSED:
            self.turn_to(remembered if remembered in self._sides else INSPECT)
            self._opened_itself = True
