"""How models are learned."""
