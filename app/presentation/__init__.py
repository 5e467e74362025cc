"""The contents of the window, as pure functions of the state, so that tables can test them."""
