"""Light or dark: the person's choice, or the system's and its changes."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from app.session.appearance import AppearanceChoice
from app.theme import apply_style, is_dark, use_fusion

_SCHEMES = {
    AppearanceChoice.SYSTEM: Qt.ColorScheme.Unknown,
    AppearanceChoice.LIGHT: Qt.ColorScheme.Light,
    AppearanceChoice.DARK: Qt.ColorScheme.Dark,
}


class Appearance(QObject):
    """Gives an application its appearance, at once and again whenever the system's changes."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app, self._choice = app, AppearanceChoice.SYSTEM
        self._system_palette = QPalette(app.palette())  # before it has one of ours
        self._is_dark: bool | None = None
        use_fusion(app)
        app.styleHints().colorSchemeChanged.connect(self._on_scheme)
        self._apply()

    @property
    def choice(self) -> AppearanceChoice:
        """The person's choice."""
        return self._choice

    @property
    def is_dark(self) -> bool:
        """Whether the application is dark now."""
        return bool(self._is_dark)

    @Slot(object)
    def choose(self, choice: AppearanceChoice) -> None:
        """Take a choice; the title bar and the system's own dialogs follow it where the desktop lets them."""
        self._choice = choice
        self._app.styleHints().setColorScheme(_SCHEMES[choice])
        self._apply()

    def _apply(self) -> None:
        dark = self._is_wanted_dark()
        if dark is not self._is_dark:
            self._is_dark = dark
            apply_style(self._app, dark=dark)

    def _is_wanted_dark(self) -> bool:
        if self._choice is not AppearanceChoice.SYSTEM:
            return self._choice is AppearanceChoice.DARK
        scheme = self._app.styleHints().colorScheme()
        if scheme is Qt.ColorScheme.Unknown:  # a desktop that does not say: its palette does
            return is_dark(self._system_palette)
        return scheme is Qt.ColorScheme.Dark

    @Slot(Qt.ColorScheme)
    def _on_scheme(self, scheme: Qt.ColorScheme) -> None:
        self._apply()
