"""A receipt for people to read, in Markdown and HTML, whatever it is the receipt of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.receipts.debate_page import debate_page
from aragora.receipts.execution_page import execution_page
from aragora.receipts.pages import Page, html_of, markdown_of
from aragora.receipts.receipt import EXECUTION


def to_html(document: Mapping[str, Any]) -> str:
    """The receipt as an HTML page. Raises KeyError or TypeError where the document is not a receipt's."""
    return html_of(_page(document))


def to_markdown(document: Mapping[str, Any]) -> str:
    """The receipt as a Markdown page. Raises KeyError or TypeError where the document is not a receipt's."""
    return markdown_of(_page(document))


def _page(document: Mapping[str, Any]) -> Page:
    return execution_page(document) if document.get("schema") == EXECUTION else debate_page(document)
