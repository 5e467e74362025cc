"""The VQ-VAE of the format: log-mel in, residual codes, log-mel out."""

from distill_core.models.vqvae.codec import CONFIG_KEYS, RANGES, ConvVQVAE

__all__ = ["CONFIG_KEYS", "RANGES", "ConvVQVAE"]
