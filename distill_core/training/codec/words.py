"""The words of a codec's training."""

from __future__ import annotations

from distill_core.training.run_folder.facts import Kind

CODEC = Kind("codec", measure="error", digits=3, makes_a_model=True)
