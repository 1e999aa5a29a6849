"""The runbook's name of the command that encrypts existing data: `python -m
aragora.storage.migrations.encrypt_existing_data`.

The command itself is `aragora.cli.encrypt_existing_data`.
"""

from __future__ import annotations

import sys

from aragora.cli.encrypt_existing_data import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
