"""The menu of a take."""

from __future__ import annotations

from PySide6.QtWidgets import QMenu, QWidget

from app.flows.takes import Takes
from app.session import Session
from app.session.available import ActionId, available


def take_menu(parent: QWidget, session: Session, takes: Takes, number: int) -> QMenu:
    """Return the menu of a take; it is the same on the shelf and on the page."""
    take, menu = session.state.takes.numbered(number), QMenu(parent)
    menu.addAction("&Play").triggered.connect(lambda: takes.play(number))
    menu.addAction("&Save…").triggered.connect(lambda: takes.save(number))
    menu.addAction("Save &All…").triggered.connect(takes.save_all)
    star = menu.addAction("Sta&r")
    star.setCheckable(True)
    star.setChecked(take is not None and take.is_starred)
    star.triggered.connect(lambda is_on: session.star_take(number, is_on))
    menu.addSeparator()
    again = menu.addAction("Make A&gain")
    again.setEnabled(ActionId.GENERATE in available(session.state))
    again.triggered.connect(lambda: takes.make_again(number))
    menu.addAction("Copy S&eed").triggered.connect(lambda: takes.copy_seed(number))
    menu.addAction("&Copy Settings").triggered.connect(lambda: takes.copy_settings(number))
    menu.addAction("Show in &Folder").triggered.connect(lambda: takes.show_in_folder(number))
    menu.addSeparator()
    menu.addAction("&Delete").triggered.connect(lambda: takes.delete(number))
    return menu
