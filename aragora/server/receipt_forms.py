"""A receipt in the form that a caller asks for: as it was signed, or as a page for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from starlette.responses import Response

from aragora import encoding
from aragora.receipts.formats import to_html, to_markdown

Form = Literal["json", "markdown", "html"]

_PAPER_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; sandbox"


async def receipt_response(document: str, form: Form, headers: Mapping[str, str] | None = None) -> Response:
    """The signed receipt. As JSON it is, to the byte, what was signed and chained."""
    if form == "json":
        return Response(document, media_type="application/json", headers=headers)
    # In a thread: a page of the largest receipts takes a tenth of a second.
    if form == "markdown":
        page = await asyncio.to_thread(lambda: to_markdown(encoding.decode(document)))
        return Response(page, media_type="text/markdown; charset=utf-8", headers=headers)
    page = await asyncio.to_thread(lambda: to_html(encoding.decode(document)))
    return Response(page, media_type="text/html", headers={**(headers or {}), "Content-Security-Policy": _PAPER_CSP})
