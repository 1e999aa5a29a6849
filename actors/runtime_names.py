"""Names that launchers need before Ray may be imported."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "aragora"
RUN_DIRECTORY: Final = "ARAGORA_RUN_DIRECTORY"
"""Environment variable: the short directory of this machine's server, for its sockets; it goes with the server."""
