"""The facts of a model file, to read, select and copy."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.widgets.facts import model_facts
from app.widgets.facts.fact_list import FactLabel, FactList
from app.widgets.facts.health_section import HealthSection
from app.widgets.facts.model_head import ModelHead
from app.widgets.facts.papers_section import PAPERS_TITLE, PapersSection
from app.widgets.fold import Fold
from app.widgets.plot.plot import PerplexityPlot
from distill_core.models.codec_health import codec_health
from distill_core.training.prior.curve import SavedCurve, saved_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distill_core.models.summary import ModelSummary

_CURVE_HEIGHT = 180
_NARROWEST, _NARROWEST_CURVE = 220, 160
_SPACE = 14


class InspectView(QWidget):
    """A model file in sentences, the health of its codec and its saved curve, and its technical facts in a fold.

    `save_wanted(dict)` has the changed texts by key; `details_turned(bool)` is emitted after a person opened or closed
    the fold.
    """

    save_wanted = Signal(dict)
    details_turned = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Facts about the model")
        self.setMinimumWidth(_NARROWEST)
        self._notes: list[str] = []
        self._empty = FactLabel(model_facts.NO_MODEL, self)
        self._note = FactLabel("", self)
        self._note.setAccessibleName("Notes")
        self.head = ModelHead(self)
        self.head.save_wanted.connect(self.save_wanted)
        self._health = HealthSection(self)
        self._sections = tuple(FactList(title, self) for title in model_facts.LIST_TITLES)
        self._details = Fold("Technical Details", self._stacked(self._sections), "detailsButton", self)
        self._details.turned.connect(self.details_turned)
        self._details.button.toggled.connect(self._build_details)
        self._curve = PerplexityPlot(self)
        self._curve.setObjectName("savedCurve")
        self._curve.setAccessibleName("Saved perplexity by epoch")
        self._curve.setFixedHeight(_CURVE_HEIGHT)
        self._curve.setMinimumWidth(_NARROWEST_CURVE)
        self.papers = PapersSection(self)
        self._copy = QPushButton("&Copy as Text", self)
        self._copy.setObjectName("copyAsTextButton")
        self._copy.setMinimumHeight(28)
        self._copy.clicked.connect(self._copy_as_text)
        self._lay_out()
        self.show_model(None)

    def _stacked(self, parts: Sequence[QWidget]) -> QWidget:
        stack = QWidget(self)
        column = QVBoxLayout(stack)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_SPACE)
        for part in parts:
            column.addWidget(part)
        return stack

    def _lay_out(self) -> None:
        content = QWidget(self)
        facts = QVBoxLayout(content)
        facts.setSpacing(_SPACE)
        for part in (self._empty, self._note, self.head, self._health, self._curve, self.papers, self._details):
            facts.addWidget(part)
        facts.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the facts in it have the focus
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
        for part in self._sections:
            part.new_body(sections.get(part.title, []))
            part.setVisible(bool(part.rows()))
        if summary is not None:
            self.head.show_model(summary)
        self._health.show_health(None if summary is None else codec_health(summary))
        self._show_curve(None if summary is None else saved_curve(summary.prior_metadata or {}))
        self.papers.show_model(summary)
        self._empty.setVisible(summary is None)
        for whole in (self.head, self._details):
            whole.setVisible(summary is not None)
        self._copy.setEnabled(summary is not None)
        self._build_details(self._details.is_open)

    @Slot(bool)
    def _build_details(self, is_open: bool) -> None:
        """Build the technical facts once they are to be seen: all at once with the rest, they held the window up."""
        if is_open:
            for section in self._sections:
                section.build()
        self._order_focus()

    def set_details(self, is_open: bool) -> None:
        """Open or close the fold with the technical facts."""
        self._details.set_open(is_open)

    def _order_focus(self) -> None:
        """Let the Tab key follow the reading order: new labels would come last."""
        stops = [self._note, *self.head.focus_stops(), *self._health.focus_stops(), self._curve]
        stops += [*self.papers.focus_stops(), self._details.button]
        for section in self._sections:
            stops += section.focus_stops()
        for earlier, later in pairwise([*stops, self._copy]):
            QWidget.setTabOrder(earlier, later)

    def _show_curve(self, curve: SavedCurve | None) -> None:
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
        """Return the shown notes, sentences and facts as plain text, those in the fold too."""
        facts = self.facts()
        papers = [(PAPERS_TITLE, self.papers.rows())] if facts else []
        return "\n\n".join(
            [
                *self._notes,
                *([" ".join(self.head.sentences())] if facts else []),
                model_facts.as_text([*facts[:-1], *papers, *facts[-1:]]),
            ]
        )

    @Slot()
    def _copy_as_text(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())
