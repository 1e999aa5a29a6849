"""The defaults of a server: its ports, address and data directory.

Ports and address are options of the command line, never environment variables; ARAGORA_DATA_DIR changes the data
directory. Every other setting is in `aragora.config.settings`. The operations runbook names this module.
"""

from __future__ import annotations

from typing import Final

HTTP_PORT: Final = 8080
WS_PORT: Final = 8765
HOST: Final = "127.0.0.1"
DATA_DIR: Final = ".nomic"
