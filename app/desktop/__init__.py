"""The window as a guest of the desktop: application, screen, menu entry, sleep."""
