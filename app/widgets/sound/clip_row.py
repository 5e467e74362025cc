"""A row of hundreds of clips, of which those alone are widgets that are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from app.widgets.sound.clip import WIDTH, Clip, ClipLook
from app.widgets.sound.row_area import RowArea

SPACE = 6  # px between clips
_PITCH = WIDTH + SPACE
_BESIDE = 2  # clips on each side of those that are seen, for the Tab key to go on to


class ClipRow(RowArea):
    """Shows clips side by side, asking for the look of one when it is seen; without any, shows another widget.

    `clips` are those that are built, by number: the ones that are seen or nearly so, and the one with the focus.
    The signal `built(Clip)` tells of a new one.
    """

    built = Signal(object)

    def __init__(self, look_of: Callable[[int], ClipLook], if_empty: QWidget, height: int) -> None:
        self._inside = QWidget()
        super().__init__(self._inside, height)
        self.setWidgetResizable(False)
        self._look_of, self._if_empty, self._is_compact = look_of, if_empty, False
        self._numbers: list[int] = []
        self.clips: dict[int, Clip] = {}
        if_empty.setParent(self._inside)
        self.horizontalScrollBar().valueChanged.connect(self._build)

    def set_compact(self, is_compact: bool) -> None:
        """Show small clips."""
        self._is_compact = is_compact
        for clip in self.clips.values():
            clip.set_compact(is_compact)
        self._arrange()

    def show_numbers(self, numbers: Sequence[int]) -> None:
        """Show the clips of these numbers from left to right, with their present looks; a new first one is seen."""
        former, self._numbers = self._numbers, [*numbers]
        if former != self._numbers:
            self._arrange()
            if not set(self._numbers[:1]) <= set(former):
                self.horizontalScrollBar().setValue(0)
        for number in self.clips:
            self.show_look(number)

    def show_look(self, number: int) -> None:
        """Show the present look of a clip, if it is built."""
        if number in self.clips and (look := self._look_of(number)) != self.clips[number].look:
            self.clips[number].show_look(look)

    def reveal(self, number: int) -> None:
        """Move as far as it takes to see a clip."""
        left, bar = self._numbers.index(number) * _PITCH, self.horizontalScrollBar()
        bar.setValue(min(left, max(bar.value(), left + WIDTH - self.viewport().width())))

    def focus(self, number: int) -> None:
        """Give a clip the focus, once it is seen."""
        if number in self._numbers:
            self.reveal(number)
            self.clips[number].setFocus()

    # Building

    def _arrange(self) -> None:
        """Give the row its size, then each clip its place."""
        area, needed = self.viewport().size(), max(0, len(self._numbers) * _PITCH - SPACE)
        self._inside.resize(max(area.width(), needed), area.height())
        self._if_empty.setGeometry(self._inside.rect())
        self._build()
        for number, clip in self.clips.items():
            self._place(number, clip)

    @Slot()
    def _build(self) -> None:
        """Build the clips that are seen, and remove the others."""
        wanted = self._wanted()
        for number in [number for number in self.clips if number not in wanted]:
            self._remove(number)
        missing = [number for number in wanted if number not in self.clips]
        for number in missing:
            self._add(number)
        if missing:
            self.clips = {number: self.clips[number] for number in wanted}
            self._set_tab_order()

    def _wanted(self) -> list[int]:
        left = self.horizontalScrollBar().value()
        first = max(0, left // _PITCH - _BESIDE)
        end = (left + self.viewport().width()) // _PITCH + 1 + _BESIDE
        seen = range(first, end)
        return [number for place, number in enumerate(self._numbers) if place in seen or self._has_focus(number)]

    def _has_focus(self, number: int) -> bool:
        return number in self.clips and self.clips[number].hasFocus()

    def _add(self, number: int) -> None:
        clip = self.clips[number] = Clip(self._look_of(number), self._inside)
        clip.set_compact(self._is_compact)
        self._place(number, clip)
        clip.show()
        self.built.emit(clip)

    def _place(self, number: int, clip: Clip) -> None:
        height = clip.sizeHint().height()
        clip.setGeometry(self._numbers.index(number) * _PITCH, (self._inside.height() - height) // 2, WIDTH, height)

    def _remove(self, number: int) -> None:
        clip = self.clips.pop(number)
        clip.hide()
        clip.deleteLater()

    def _set_tab_order(self) -> None:
        for clip, following in pairwise(self.clips.values()):
            QWidget.setTabOrder(clip, following)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Build the clips that are seen now."""
        super().resizeEvent(event)
        self._arrange()
