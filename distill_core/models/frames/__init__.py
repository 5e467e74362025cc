"""The `frames` prior: a causal trunk over time, and a small network over the levels of each position."""

from distill_core.models.frames.prior import FramesPrior

__all__ = ["FramesPrior"]
