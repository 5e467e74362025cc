"""The tasks of the window, a function each, grouped by subject.

Each file has the results, then the functions that take them into the state, then the tasks. The engine is imported
only when a task runs: that takes seconds, and the window is on the screen before.
"""
