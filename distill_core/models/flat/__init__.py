"""The `flat` prior, the format's own: a transformer over the codes of one second."""

from distill_core.models.flat.prior import CodePrior

__all__ = ["CodePrior"]
