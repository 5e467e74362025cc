"""The health of the codec: its verdicts in words above the picture of its levels."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.facts.fact_list import FactLabel, FactSection
from app.widgets.facts.health_picture import HealthPicture
from app.widgets.facts.model_facts import HEALTH_TITLE, health_rows
from distill_core.models.codec_health import CodecHealth


class HealthSection(FactSection):
    """The verdicts on a codec, and the use of every level's codebook as a picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(HEALTH_TITLE, parent)

    def show_health(self, health: CodecHealth) -> None:
        """Show a codec's health in place of the former one's."""
        body = self.new_body(health_rows(health))
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for sentence in health.verdicts:
            layout.addWidget(FactLabel(sentence, body))
        if health.levels:
            layout.addWidget(HealthPicture(health, body))
