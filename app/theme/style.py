"""The palette of the application and the few rules that a palette cannot express."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QPushButton

from app.theme.icons import resource_path
from app.theme.tokens import DARK, LIGHT, RADIUS, SMALL_RADIUS, SPACE, TIGHT, Tokens

_PRIMARY = "isPrimary"
# Fusion draws a button as a gradient with a dark outline, whatever its palette; flat ones are links and keep theirs.
_RULES = """
QPushButton:!flat {{
    background: {raised}; color: {text}; border: 1px solid {border}; border-radius: {radius}px;
    padding: {small}px {wide}px;
}}
QPushButton:!flat:hover {{ background: {hover}; }}
QPushButton:!flat:pressed, QPushButton:!flat:checked {{ background: {pressed}; }}
QPushButton:!flat:disabled {{ background: {ground}; color: {disabled}; }}
QPushButton:!flat:focus {{ border: 2px solid {accent}; padding: {inner}px {inner_wide}px; }}
QPushButton:!flat[isPrimary="true"]:enabled {{
    background: {primary}; color: {on_primary}; border-color: {primary}; font-weight: bold;
}}
QPushButton:!flat[isPrimary="true"]:enabled:hover {{ background: {primary_hover}; }}
QPushButton:!flat[isPrimary="true"]:enabled:pressed {{ background: {primary_pressed}; }}
QPushButton:!flat[isPrimary="true"]:enabled:focus {{ border-color: {accent}; }}
QPushButton:flat {{ background: transparent; color: {text}; border: 2px solid transparent; border-radius: {small}px; }}
QPushButton:flat:hover, QPushButton:flat:checked {{ background: {hover}; }}
LinkButton:flat {{ color: {link}; }}
LinkButton:flat:hover {{ background: transparent; }}
QPushButton:flat:focus {{ border-color: {accent}; }}
QPushButton:flat:disabled {{ color: {disabled}; }}
QMessageBox QLabel#qt_msgbox_label {{ font-weight: bold; }}
QMessageBox QPushButton {{ min-height: 20px; }}
QToolButton {{
    background: {raised}; color: {text}; border: 1px solid {border}; border-radius: {small}px; padding: 3px 6px;
}}
QToolButton[autoRaise="true"] {{ background: transparent; border-color: transparent; padding: 3px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:pressed {{ background: {pressed}; }}
QToolButton:checked {{ background: {accent}; color: {ground}; border-color: {accent}; }}
QToolButton[autoRaise="true"]:checked {{ background: {hover}; color: {text}; }}
QToolButton:disabled {{ background: {ground}; color: {disabled}; }}
QToolButton[autoRaise="true"]:disabled {{ background: transparent; }}
QToolButton:checked:disabled {{ background: {hover}; color: {dim}; border-color: {border}; }}
QToolButton:focus {{ border: 2px solid {accent}; padding: 2px 5px; }}
QToolButton[autoRaise="true"]:focus {{ padding: 2px; }}
QToolButton:checked:focus {{ border-color: {text}; }}
QCheckBox::indicator, QRadioButton::indicator {{
    width: 14px; height: 14px; background: {field}; border: 1px solid {dim}; border-radius: {small}px;
}}
QRadioButton::indicator {{ border-radius: 8px; }}
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{ border-color: {border}; }}
QCheckBox::indicator:checked {{ background: {primary}; border-color: {accent}; image: url("{tick}"); }}
QRadioButton::indicator:checked {{
    border-color: {accent};
    background: qradialgradient(cx: 0.5, cy: 0.5, fx: 0.5, fy: 0.5, radius: 0.5,
        stop: 0 {accent}, stop: 0.5 {accent}, stop: 0.6 {field}, stop: 1 {field});
}}
QCheckBox, QRadioButton {{ padding: 0 3px; }}
QCheckBox:focus, QRadioButton:focus {{ outline: 2px solid {accent}; }}
QHeaderView::section {{
    background: {ground}; color: {dim}; border: 0; border-bottom: 1px solid {border}; padding: 3px 6px;
}}
QToolButton::menu-indicator {{ subcontrol-origin: padding; subcontrol-position: right center; right: {small}px; }}
QToolButton#startFrom {{ padding-right: 18px; }}
QProgressBar {{ background: {hover}; border: 0; border-radius: {small}px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: {small}px; }}
QToolTip {{ background: {raised}; color: {text}; border: 1px solid {border}; padding: {small}px; }}
QStatusBar::item {{ border: 0; }}
"""


_NAMES = (
    *("ground", "raised", "field", "hover", "pressed", "border", "text", "dim", "disabled", "link", "accent"),
    *("primary", "primary_hover", "primary_pressed", "on_primary"),
)


def style_sheet(tokens: Tokens) -> str:
    """Return the rules in an appearance's colours."""
    sizes = {"radius": RADIUS, "small": SMALL_RADIUS, "wide": SPACE + TIGHT}
    tick = {"tick": resource_path("marks", "tick.svg").as_posix()}
    inner = {"inner": SMALL_RADIUS - 1, "inner_wide": SPACE + TIGHT - 1}  # the focus takes the room of a wider line
    return _RULES.format(**{name: getattr(tokens, name) for name in _NAMES}, **sizes, **inner, **tick)


def palette_of(tokens: Tokens) -> QPalette:
    """Return the palette of an appearance, which leaves no role to the system."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette(QColor(tokens.raised), QColor(tokens.ground))
    colors = {
        role.Window: tokens.ground,
        role.Base: tokens.field,
        role.AlternateBase: tokens.raised,
        role.Button: tokens.raised,
        role.Mid: tokens.border,
        role.WindowText: tokens.text,
        role.Text: tokens.text,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.on_primary,
        role.PlaceholderText: tokens.dim,
        role.ToolTipBase: tokens.raised,
        role.ToolTipText: tokens.text,
        role.Highlight: tokens.primary,
        role.HighlightedText: tokens.on_primary,
        role.Accent: tokens.accent,
        role.Link: tokens.link,
        role.LinkVisited: tokens.link,
    }
    for each, color in colors.items():
        palette.setColor(each, QColor(color))
    for each in (role.WindowText, role.Text, role.ButtonText, role.PlaceholderText):
        palette.setColor(group.Disabled, each, QColor(tokens.disabled))
    for each, color in ((role.Base, tokens.ground), (role.Button, tokens.ground), (role.Highlight, tokens.border)):
        palette.setColor(group.Disabled, each, QColor(color))
    return palette


def use_fusion(app: QApplication) -> None:
    """Use Fusion, the one style that draws a palette alike on every system."""
    app.setStyle("Fusion")


def apply_style(app: QApplication, *, dark: bool) -> None:
    """Give the application one of the two appearances: a palette, and the rules."""
    chosen = DARK if dark else LIGHT
    app.setStyleSheet("")  # below rules no palette reaches the widgets; without, those with their own get it back
    app.setPalette(palette_of(chosen))
    app.setStyleSheet(style_sheet(chosen))


def set_primary(button: QPushButton, is_primary: bool) -> None:
    """Colour a button as the one to press next (white on blue), unless it is disabled, or as any other."""
    if button.property(_PRIMARY) == is_primary:
        return
    button.setProperty(_PRIMARY, is_primary)
    button.style().unpolish(button)  # a rule on a property is looked up once
    button.style().polish(button)
    button.update()
