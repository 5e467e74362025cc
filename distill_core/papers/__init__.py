"""A model's papers: its card, for people and for Hugging Face's hub."""
