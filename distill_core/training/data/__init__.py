"""Sounds in the forms that training learns from: codes, their cache, chunks and windows."""
