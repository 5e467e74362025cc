"""Widgets that know no Session: a value goes in, a signal comes out."""
