"""The facts of a model file, to read, select and copy."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.widgets.facts import model_facts
from app.widgets.facts.fact_list import FactLabel, FactList, FactSection
from app.widgets.facts.health_section import HealthSection
from app.widgets.plot.plot import PerplexityPlot
from distill_core.models.codec_health import codec_health

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_CURVE_HEIGHT = 180
_NARROWEST, _NARROWEST_CURVE = 220, 160


class InspectView(QWidget):
    """The facts of a model file: model, health of its codec, prior with its saved curve, and file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Facts about the model")
        self.setMinimumWidth(_NARROWEST)
        self._notes: list[str] = []
        self._empty = FactLabel(model_facts.NO_MODEL, self)
        self._note = FactLabel("", self)
        self._note.setAccessibleName("Notes")
        self._model, self._prior, self._file = (FactList(title, self) for title in model_facts.LIST_TITLES)
        self._health = HealthSection(self)
        self._sections: tuple[FactSection, ...] = (self._model, self._health, self._prior, self._file)
        self._curve = PerplexityPlot(self)
        self._curve.setObjectName("savedCurve")
        self._curve.setAccessibleName("Saved perplexity by epoch")
        self._curve.setFixedHeight(_CURVE_HEIGHT)
        self._curve.setMinimumWidth(_NARROWEST_CURVE)
        self._copy = QPushButton("&Copy as Text", self)
        self._copy.setObjectName("copyAsTextButton")
        self._copy.setMinimumHeight(28)
        self._copy.clicked.connect(self._copy_as_text)
        self._lay_out()
        self.show_model(None)

    def _lay_out(self) -> None:
        content = QWidget(self)
        facts = QVBoxLayout(content)
        facts.setSpacing(14)
        for part in (self._empty, self._note, self._model, self._health, self._prior, self._curve, self._file):
            facts.addWidget(part)
        facts.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 6)
        layout.addWidget(area, 1)
        layout.addWidget(self._copy, 0, Qt.AlignmentFlag.AlignCenter)

    def show_model(self, summary: ModelSummary | None) -> None:
        """Show a model's facts in place of the former ones and their notes; None is no model."""
        self._notes.clear()
        self._show_notes()
        sections = {} if summary is None else dict(model_facts.describe(summary))
        for part in (self._model, self._prior, self._file):
            part.show_rows(sections.get(part.title, []))
        if summary is not None:
            self._health.show_health(codec_health(summary))
        for section in self._sections:
            section.setVisible(summary is not None and bool(section.rows()))
        self._show_curve(None if summary is None else model_facts.saved_curve(summary))
        self._empty.setVisible(summary is None)
        self._copy.setEnabled(summary is not None)
        self._order_focus()

    def _order_focus(self) -> None:
        """Let the Tab key follow the reading order: new labels would come last."""
        stops: list[QWidget] = [self._note]
        for section in self._sections:
            stops += section.focus_stops()
            if section is self._prior:
                stops.append(self._curve)
        for earlier, later in pairwise([*stops, self._copy]):
            QWidget.setTabOrder(earlier, later)

    def _show_curve(self, curve: model_facts.SavedCurve | None) -> None:
        self._curve.setVisible(curve is not None)
        if curve is None:
            self._curve.clear()
            return
        self._curve.build()
        # Without the unigram line: its name does not fit here, and it has a row of its own.
        self._curve.show_saved(curve.epochs, curve.val_losses, curve.train_losses, curve.best_epoch)

    def note(self, text: str) -> None:
        """Add a line above the facts; the next model takes it away."""
        self._notes.append(text)
        self._show_notes()

    def _show_notes(self) -> None:
        self._note.set_whole_text("\n".join(self._notes))
        self._note.setVisible(bool(self._notes))

    def facts(self) -> list[model_facts.Section]:
        """Return the shown sections of labels and whole values."""
        return [(part.title, part.rows()) for part in self._sections if not part.isHidden()]

    def as_text(self) -> str:
        """Return the shown notes and facts as plain text."""
        return "\n\n".join([*self._notes, model_facts.as_text(self.facts())])

    @Slot()
    def _copy_as_text(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())
