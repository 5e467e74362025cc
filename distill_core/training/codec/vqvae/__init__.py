"""The training of the format's VQ-VAE: its settings, and how it learns."""
