"""``python -m bcbridge.cli``."""

from bcbridge.cli import main

main()
