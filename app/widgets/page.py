"""A page of the stage."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget


class PageWidget(QWidget):
    """A page whose `begins_at` is the widget that has the focus when the keyboard comes to the page.

    It is no focus proxy: with one, the Tab key would leave out what stands before it.
    """

    begins_at: QWidget

    def begin(self) -> None:
        """Take the focus: where the keyboard begins, or to the page itself until that is shown."""
        (self.begins_at if self.begins_at.isVisibleTo(self) else self).setFocus()
