"""`python -m vdeblur` is the `vdeblur` command."""

from .cli import main

if __name__ == "__main__":
    main()
