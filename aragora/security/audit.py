"""`python -m aragora.security.audit verify`: the command is `aragora.identity.audit`."""

from __future__ import annotations

import sys

from aragora.identity.audit.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
