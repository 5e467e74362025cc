"""What the bundle does first on Linux: its own libraries are for itself, not for the programs that it starts.

The dynamic linker has read the variable by then, so the bundle still finds them; ffmpeg and xdg-open get the system's.
"""

import os

before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if before is not None:
    os.environ["LD_LIBRARY_PATH"] = before
else:
    os.environ.pop("LD_LIBRARY_PATH", None)
