"""The card that takes clicks and drops."""
