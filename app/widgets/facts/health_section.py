"""The health of the codec as a picture of its levels."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.facts.fact_list import FactSection
from app.widgets.facts.health_picture import HealthPicture
from distill_core.models.codec_health import CodecHealth

_TITLE = "Use of the levels"


class HealthSection(FactSection):
    """The use of every level's codebook as a picture, for a file that tells of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_TITLE, parent)

    def show_health(self, health: CodecHealth | None) -> None:
        """Show a codec's health in place of the former one's; None is no codec."""
        layout = QVBoxLayout(self.new_body([]))
        layout.setContentsMargins(0, 0, 0, 0)
        has_levels = health is not None and bool(health.levels)
        if health is not None and has_levels:
            layout.addWidget(HealthPicture(health))
        self.setVisible(has_levels)
