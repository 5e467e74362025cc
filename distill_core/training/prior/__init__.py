"""How a prior is learned from codes."""
