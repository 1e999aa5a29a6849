"""Names that launchers need before Ray may be imported."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "aragora"
