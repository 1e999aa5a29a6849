"""`python -m aragora.security.audit verify`: the name docs/security.md shows of the command in `aragora.cli.audit`."""

from __future__ import annotations

import sys

from aragora.cli.audit import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
