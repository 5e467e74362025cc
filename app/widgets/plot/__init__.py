"""The perplexity plot."""
