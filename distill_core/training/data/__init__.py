"""Sounds as training takes them: codes, chunks, windows and their cache."""
