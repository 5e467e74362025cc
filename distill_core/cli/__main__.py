"""`python -m distill_core.cli`."""

from distill_core.cli import main

if __name__ == "__main__":
    main()
