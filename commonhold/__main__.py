"""`python -m commonhold`: the same as the console script."""

from commonhold.cli import main

main()
