"""Widgets that know no Session: a value in, a signal out."""
