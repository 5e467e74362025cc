"""The KLT codec: patches of a floored log-mel in few principal components, and residual codebooks that bands share."""

from distill_core.models.klt.codec import RANGES, KLTCodec

__all__ = ["RANGES", "KLTCodec"]
