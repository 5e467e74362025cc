"""The commands on the curve: its axes, its export, and another model's curve beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QObject, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from app.presentation import learning
from app.session import Session
from app.session.available import ActionId, available
from app.widgets.plot.curve import PlotAxes

if TYPE_CHECKING:
    from app.flows.prompts import Prompts

# The curve's own menu, where it is clicked, has these; the menus of the window have them in other places.
_AXES = {ActionId.CURVE_BY_TIME: "By &Time", ActionId.CURVE_LOGARITHMIC: "&Logarithmic Scale"}
_COMPARISON = {ActionId.COMPARE_CURVE: "&Compare Curve with…", ActionId.END_COMPARISON: "Compare &No Longer"}
VIEW_TEXTS = _AXES | _COMPARISON
EXPORT_TEXTS = {ActionId.EXPORT_PICTURE: "Export &PNG…", ActionId.EXPORT_TABLE: "&Export CSV…"}
_FOLDER = "plot"


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # Qt takes no bytes
    return bytes(buffer.data().data())


class Curves(QObject):
    """Asks for files, and has the Session read and write them.

    Signals: `axes_chosen(PlotAxes)`; `picture_wanted(Path)` asks the page for `write_picture`; `said(str)` has an event
    for the status bar.
    """

    axes_chosen = Signal(object)
    picture_wanted = Signal(object)
    said = Signal(str)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window

    # Axes

    @property
    def axes(self) -> PlotAxes:
        """The axes that are remembered."""
        settings = self._session.settings
        return PlotAxes(by_time=settings.plots_time(), is_linear=settings.plots_evenly())

    def turn_time(self) -> None:
        """Count minutes instead of epochs from now on, or epochs again."""
        self._session.settings.set_plots_time(not self._session.settings.plots_time())
        self.axes_chosen.emit(self.axes)

    def turn_logarithm(self) -> None:
        """Have even steps of perplexity from now on, or those of its logarithm again."""
        self._session.settings.set_plots_evenly(not self._session.settings.plots_evenly())
        self.axes_chosen.emit(self.axes)

    # Export

    def export_picture(self) -> None:
        """Ask for a place, then save the plot there as a picture."""
        self._ask_for(".png", self.picture_wanted.emit)

    def export_table(self) -> None:
        """Ask for a place, then save the curve there as a table."""
        self._ask_for(".csv", self._write_table)

    def _ask_for(self, ending: str, write: Callable[[Path], object]) -> None:
        state = self._session.state
        if refusal := learning.why_no_export(state):
            self.said.emit(refusal)
            return

        def on_path(path: Path) -> None:
            self._session.settings.set_last_folder(_FOLDER, path.parent)
            write(path)

        suggested = self._session.settings.last_folder(_FOLDER) / f"{learning.model_name(state)} curve{ending}"
        self._prompts.choose_plot(self._window, suggested, on_path)

    def write_picture(self, path: Path, image: QImage) -> None:
        """Save a picture of the plot."""
        self._session.write(path, "The plot", partial(_png, image))

    def _write_table(self, path: Path) -> None:
        self._session.write(path, "The curve", partial(learning.curve_table, self._session.state))

    # Another model's curve

    def compare(self) -> None:
        """Ask for a model, then show its curve beside."""
        if ActionId.COMPARE_CURVE in available(self._session.state):
            start = self._session.settings.last_folder("model")
            self._prompts.choose_model(self._window, start, self.compare_with, "Compare Curve with")

    def compare_with(self, path: Path) -> None:
        """Show the curve of a model beside."""
        if ActionId.COMPARE_CURVE in available(self._session.state):
            self._session.compare_curve(path)

    def end_comparison(self) -> None:
        """Show the open model's curve alone."""
        self._session.end_comparison()
