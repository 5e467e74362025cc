"""The parts of the start page: the place for drops, and the cards of remembered sessions."""
