"""The state and every command of the window: QtCore only."""

from app.session.session import Session

__all__ = ["Session"]
