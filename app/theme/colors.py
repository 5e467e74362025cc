"""The colours of the tokens for the palette of a widget."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor, QFont, QPalette

from app.theme.tokens import DARK, LIGHT, BannerKind, Tokens

_BAND_ALPHA = 28


@dataclass(frozen=True, slots=True)
class PlotColors:
    """The colours of the perplexity plot; `band` is translucent."""

    validation: QColor
    training: QColor
    threshold: QColor
    best: QColor
    beside: QColor
    foreground: QColor
    band: QColor


@dataclass(frozen=True, slots=True)
class BannerColors:
    """A text colour and the ground that it stands on."""

    text: QColor
    ground: QColor


def is_dark(palette: QPalette) -> bool:
    """Return whether text is lighter than its ground."""
    return (
        palette.color(QPalette.ColorRole.WindowText).lightness() > palette.color(QPalette.ColorRole.Window).lightness()
    )


def tokens(palette: QPalette) -> Tokens:
    """Return the tokens for a palette."""
    return DARK if is_dark(palette) else LIGHT


def plot_colors(palette: QPalette) -> PlotColors:
    """Return the plot's colours for a palette; those of text have a contrast of at least 4.5:1."""
    foreground = palette.color(QPalette.ColorRole.WindowText)
    band = QColor(foreground)
    band.setAlpha(_BAND_ALPHA)
    validation, training, threshold, best, beside = (QColor(name) for name in tokens(palette).lines)
    return PlotColors(validation, training, threshold, best, beside, foreground, band)


def banner_colors(palette: QPalette, kind: BannerKind) -> BannerColors:
    """Return a banner's text and ground."""
    pair = tokens(palette).banners[kind]
    return BannerColors(QColor(pair.text), QColor(pair.ground))


def error_color(palette: QPalette) -> QColor:
    """Return the colour of a refusal written on the window's own ground."""
    return QColor(tokens(palette).error)


def warning_color(palette: QPalette) -> QColor:
    """Return the colour of what warns on the window's own ground."""
    return QColor(tokens(palette).warning)


def link_color(palette: QPalette) -> QColor:
    """Return the colour of text that can be clicked."""
    return QColor(tokens(palette).link)


def accent_color(palette: QPalette) -> QColor:
    """Return the colour of lines that mark what is chosen, has the focus, or is held over."""
    return QColor(tokens(palette).accent)


def border_color(palette: QPalette) -> QColor:
    """Return the colour of the line around a card."""
    return QColor(tokens(palette).border)


def dim_color(palette: QPalette) -> QColor:
    """Return the colour of text beside the text that counts."""
    return QColor(tokens(palette).dim)


def raised_color(palette: QPalette) -> QColor:
    """Return the ground of a card."""
    return QColor(tokens(palette).raised)


def tabular(font: QFont) -> QFont:
    """Return a font whose digits are all of one width, so that a number that runs does not shake."""
    even = QFont(font)
    even.setFeature(QFont.Tag("tnum"), 1)
    return even
