"""The constants that older deployments import from here: the defaults of the network and of the data directory.

An environment variable changes each of them at run time (docs/ENVIRONMENT.md): `aragora.config.settings` has the value
that holds. The limits of input are in `aragora.limits`.
"""

from __future__ import annotations

from typing import Final

HTTP_PORT: Final = 8080
WS_PORT: Final = 8765
HOST: Final = "127.0.0.1"
DATA_DIR: Final = ".nomic"
