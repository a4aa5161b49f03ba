"""`python -m songlens` is the `songlens` command."""

from songlens.cli import main

main()
