"""A form of settings."""
