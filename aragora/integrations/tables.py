"""The tables of stored connections (context `core`)."""

from __future__ import annotations

from typing import Final

from aragora.storage.contexts import Context
from aragora.storage.tables import document_table

sync_connectors: Final = document_table("sync_connectors", Context.CORE)
integrations: Final = document_table("integrations", Context.CORE)
gmail_tokens: Final = document_table("gmail_tokens", Context.CORE)
