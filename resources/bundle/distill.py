"""The bundle's terminal program."""

import multiprocessing

from distill_core.cli import main

if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
