"""`python -m crossmod` is the command `crossmod`."""

from __future__ import annotations

import sys

from crossmod.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
