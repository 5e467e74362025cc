"""A table of sounds: played, sorted, chosen and left out by pointer or keyboard."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from PySide6.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QSize,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from app.theme import tabular
from app.widgets.rows.choice import chosen_places, selection_of
from app.widgets.rows.delegate import RowDelegate
from app.widgets.rows.look import Column, Row
from app.widgets.rows.model import RowsModel
from app.widgets.rows.widths import shared_widths

ROW_HEIGHT = 34
_REST_MS = 60  # without a change of what is seen, until pictures are asked for
_MOST_AT_ONCE = 20  # pictures
_PLAY_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_REMOVE_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_Minus)


class RowsTable(QTableView):
    """Shows rows of sounds.

    Signals: `play_wanted(key)` from its beginning, `toggle_wanted(key)` play or stop, `star_wanted(key, bool)`,
    `remove_wanted()` what is chosen, `drag_wanted(key)` the pointer drags it away, `menu_wanted(QPoint)` a menu at a
    point of the screen, `chosen_changed()`, `thumbnails_wanted(keys)` the pictures of rows that are seen: asked for
    again once `thumbnails_ended` was called.
    """

    play_wanted = Signal(object)
    toggle_wanted = Signal(object)
    star_wanted = Signal(object, bool)
    remove_wanted = Signal()
    drag_wanted = Signal(object)
    menu_wanted = Signal(QPoint)
    chosen_changed = Signal()
    thumbnails_wanted = Signal(object)

    def __init__(self, name: str, title: str, columns: Sequence[Column], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = RowsModel(columns, self)
        self._columns, self._typed = tuple(columns), _typed_column(columns)
        self._is_waiting, self._scrolls_back_to = False, -1
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._ask)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setModel(self.rows)
        for place, column in enumerate(columns):
            self.setItemDelegateForColumn(place, RowDelegate(column, self.rows))
        self._set_up()
        self._set_up_header()
        self.clicked.connect(self._on_clicked)
        self.doubleClicked.connect(self._on_double_clicked)
        self.horizontalHeader().sectionClicked.connect(self._on_header)
        self.verticalScrollBar().valueChanged.connect(self._rest_again)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.selectionModel().currentChanged.connect(self._on_selection)

    def _set_up(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)  # the Tab key leaves the table
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)  # a play button shows that the pointer is on it
        self.setCornerButtonEnabled(False)
        self.setFont(tabular(self.font()))
        side = self.verticalHeader()
        side.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)  # none of thousands is measured
        side.setDefaultSectionSize(ROW_HEIGHT)
        side.hide()

    def _set_up_header(self) -> None:
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setHighlightSections(False)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    # Rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show rows in place of the former ones; those that are still there stay chosen."""
        self._keep_chosen(lambda: self.rows.set_rows(rows))

    def show_only(self, is_shown: Callable[[Any], bool] | None) -> None:
        """Show only some of the rows; all for None."""
        self._keep_chosen(lambda: self.rows.show_only(is_shown))

    def _keep_chosen(self, change: Callable[[], None]) -> None:
        chosen, current, scrolled = self.chosen, self.current, self.verticalScrollBar().value()
        change()
        if not self.selectionModel().hasSelection() and not self.currentIndex().isValid():
            self.choose(chosen, current)
            self.verticalScrollBar().setValue(scrolled)
        if self.hasFocus() and self.current is None and self.rows.rowCount():  # as Qt does when the focus comes
            self.selectionModel().setCurrentIndex(self.rows.index(0, 0), QItemSelectionModel.SelectionFlag.NoUpdate)
        self._rest_again()

    @property
    def chosen(self) -> list[Hashable]:
        """The keys of the chosen rows, from top to bottom."""
        return [self.rows.row_at(place).key for place in chosen_places(self.selectionModel())]

    @property
    def current(self) -> Hashable:
        """The key of the row with the focus, None without one."""
        index = self.currentIndex()
        return self.rows.row_at(index.row()).key if index.isValid() else None

    def choose(self, keys: Sequence[Hashable], current: Hashable = None) -> None:
        """Choose rows, as far as they are shown; one of them gets the focus."""
        model, flag = self.selectionModel(), QItemSelectionModel.SelectionFlag
        model.select(selection_of(self.rows, map(self.rows.place_of, keys)), flag.ClearAndSelect | flag.Rows)
        if (place := self.rows.place_of(current)) >= 0:
            model.setCurrentIndex(self.rows.index(place, self._typed), flag.NoUpdate)

    def go_to(self, key: Hashable) -> None:
        """Choose one row and show it."""
        if self.current != key and self.rows.place_of(key) >= 0:
            self.choose([key], key)
            self.scrollTo(self.currentIndex())

    def picture_of(self, key: Hashable) -> QPixmap:
        """Return a row as a picture."""
        area = self.visualRect(self.rows.index(self.rows.place_of(key), 0))
        area.setRight(self.viewport().rect().right())
        return self.viewport().grab(area)

    # Pictures

    @Slot()
    def _rest_again(self) -> None:
        self._rest.start()

    @Slot()
    def thumbnails_ended(self) -> None:
        """Ask for the pictures of other rows: those asked for have come, or will not."""
        self._is_waiting = False
        self._rest_again()

    @Slot()
    def _ask(self) -> None:
        if self._is_waiting or not self.isVisible():
            return
        keys = self.rows.without_peaks(self._seen())[:_MOST_AT_ONCE]
        if keys:
            self._is_waiting = True
            self.thumbnails_wanted.emit(keys)

    def _seen(self) -> range:
        """Return the places of the rows that are seen."""
        height, count = self.viewport().height(), self.rows.rowCount()
        last = self.rowAt(height - 1)
        return range(max(0, self.rowAt(0)), (last if last >= 0 else count - 1) + 1)

    # Pointer

    @Slot(QModelIndex)
    def _on_clicked(self, index: QModelIndex) -> None:
        row, kind = self.rows.row_at(index.row()), self._columns[index.column()].kind
        if kind == "play" and row.can_play:
            self.toggle_wanted.emit(row.key)
        elif kind == "star":
            self.star_wanted.emit(row.key, not row.is_starred)

    @Slot(QModelIndex)
    def _on_double_clicked(self, index: QModelIndex) -> None:
        row = self.rows.row_at(index.row())
        if self._columns[index.column()].kind in ("text", "wave") and row.can_play:
            self.play_wanted.emit(row.key)

    @Slot(int)
    def _on_header(self, column: int) -> None:
        """Sort by a column, from the other end if it is the one already."""
        header, former = self.horizontalHeader(), self.rows.sorted_by
        if self._columns[column].order is not None:
            self._keep_chosen(lambda: self.rows.sort_by(column, is_descending=former == (column, False)))
        if self.rows.sorted_by is not None:
            place, is_descending = self.rows.sorted_by
            order = Qt.SortOrder.DescendingOrder if is_descending else Qt.SortOrder.AscendingOrder
            header.setSortIndicator(place, order)

    def startDrag(self, actions: Qt.DropAction) -> None:
        """Ask for the drag, instead of Qt's of texts."""
        if self.current is not None:
            self.drag_wanted.emit(self.current)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu, from the pointer or from the keyboard."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard and self.currentIndex().isValid():
            corner = self.visualRect(self.currentIndex()).bottomLeft()
            self.menu_wanted.emit(self.viewport().mapToGlobal(corner))
        elif self.chosen:
            self.menu_wanted.emit(event.globalPos())

    # Keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Play, star or leave out; letters go to the row whose name begins so."""
        has_modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier != Qt.KeyboardModifier.NoModifier
        if has_modifiers or not self._act_on(Qt.Key(event.key())):
            super().keyPressEvent(event)

    def _act_on(self, key: Qt.Key) -> bool:
        """Do what a key is for; return whether it is for anything."""
        if key in _PLAY_KEYS:
            self._play_by(key)
        elif key in _REMOVE_KEYS:
            self.remove_wanted.emit()
        elif key is Qt.Key.Key_S and any(column.kind == "star" for column in self._columns):
            self._star()
        else:
            return False
        return True

    def _play_by(self, key: Qt.Key) -> None:
        index = self.currentIndex()
        if index.isValid() and self.rows.row_at(index.row()).can_play:
            (self.toggle_wanted if key is Qt.Key.Key_Space else self.play_wanted).emit(self.current)

    def _star(self) -> None:
        if self.currentIndex().isValid():
            row = self.rows.row_at(self.currentIndex().row())
            self.star_wanted.emit(row.key, not row.is_starred)

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Go to the first and the last row with Home and End, and not along a row, which is chosen as a whole."""
        ends = {QAbstractItemView.CursorAction.MoveHome: 0, QAbstractItemView.CursorAction.MoveEnd: -1}
        if action in ends and self.rows.rowCount():
            return self.rows.index(ends[action] % self.rows.rowCount(), self._typed)
        return super().moveCursor(action, modifiers)

    def keyboardSearch(self, search: str) -> None:
        """Go to the row whose name begins with what is typed."""
        if self.currentIndex().isValid():
            beside = self.rows.index(self.currentIndex().row(), self._typed)
            self.selectionModel().setCurrentIndex(beside, QItemSelectionModel.SelectionFlag.NoUpdate)
        super().keyboardSearch(search)

    # Look

    @Slot()
    def _on_selection(self) -> None:
        self.chosen_changed.emit()

    def sizeHint(self) -> QSize:
        """Ask for room for a few rows."""
        return QSize(400, 6 * ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Ask for the least room that shows a row below the titles."""
        return QSize(200, 2 * ROW_HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width among the columns."""
        super().resizeEvent(event)
        self._share_width()
        self._rest_again()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for pictures once the table is seen."""
        super().showEvent(event)
        self._rest_again()

    def _share_width(self) -> None:
        for place, width in enumerate(shared_widths(self._columns, self.fontMetrics(), self.viewport().width())):
            self.setColumnWidth(place, width)


def _typed_column(columns: Sequence[Column]) -> int:
    return next((place for place, column in enumerate(columns) if column.is_typed), 0)
