"""Rows of sounds: a table of thousands, of which only what is seen is drawn."""
