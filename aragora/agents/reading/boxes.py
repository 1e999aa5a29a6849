r"""What models put around an answer because they were trained to: `\boxed{B}`, `\text{B}`, `<answer>B</answer>`."""

from __future__ import annotations

import re
from typing import Final

from aragora.agents.reading.mended_json import with_backslashes

_BOX: Final = re.compile(
    r"\\(?:boxed|fbox|text(?:bf|it|rm)?|math(?:bf|rm|sf)|bm|bf)\s*(?=\{)"
    r"|</?\s*(?:(?:final|my|your)[ _-]?)?(?:answer|choice|vote|label|option|response|result)\s*/?>",
    re.IGNORECASE,
)


def unboxed(text: str) -> str:
    """`text` with a space for each command or tag of a box; braces stay, as decoration."""
    if "{" not in text and "<" not in text:
        return text
    return _BOX.sub(" ", with_backslashes(text))
