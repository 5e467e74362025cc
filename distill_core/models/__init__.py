"""What is learned: the VQ-VAE and the prior, and the file that holds them."""
