"""A receipt for people to read: Markdown and HTML. The JSON document itself is the original."""

from __future__ import annotations

from aragora.receipts.formats.html import to_html
from aragora.receipts.formats.markdown import to_markdown

__all__ = ["to_html", "to_markdown"]
