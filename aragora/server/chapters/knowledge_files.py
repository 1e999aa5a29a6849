"""Knowledge as a file: JSON Lines, one item a line.

What is imported is a source of its own kind, whatever its file says of sources and confidence: it is trusted no further
than an import is, and supports nothing that is there already. Importing a file twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Body, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora import limits
from aragora.encoding import encode
from aragora.errors import InvalidInput
from aragora.identity.rbac import KNOWLEDGE_READ, KNOWLEDGE_WRITE
from aragora.knowledge.model import Home, Item, Status
from aragora.knowledge.noting import Noted
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, KnowledgePorts, covered, home, noted
from aragora.server.knowledge_lines import line_of, read_line
from aragora.server.live.download import Download
from aragora.server.schemas import Workspace, Workspaces
from aragora.server.views import UNCACHED, json_response

knowledge_files: Chapter[KnowledgePorts] = Chapter("knowledge")

MEDIA_TYPE: Final = "application/jsonl"
REFUSALS_MAX: Final = 100  # told one by one
_PIECE_BYTES: Final = 32_768


class RefusedLine(BaseModel):
    line: Annotated[int, Field(description="of the file, from 1")]
    code: str
    message: str


class Imported(BaseModel):
    """What became of the lines."""

    added: int
    known: Annotated[int, Field(description="there already; nothing changed")]
    quarantined: Annotated[int, Field(description="of those added, how many wait for a person")]
    skipped: Annotated[int, Field(description="what its file itself calls superseded, quarantined or forgotten")]
    refused: int
    refusals: Annotated[list[RefusedLine], Field(description=f"the first {REFUSALS_MAX}")]


class ImportAsk(Asking):
    """Where it is to be."""

    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


@knowledge_files.get("/api/knowledge/export", needs=KNOWLEDGE_READ, gives=Response)
async def export(call: Call[KnowledgePorts], workspace: Workspaces = None) -> Response:
    """Every item of a workspace, oldest first: live, disputed and superseded ones, with their sources and links."""
    items = call.ports.export(covered(call, workspace))
    return Download(
        call.ports.sockets,
        call.caller,
        call.ports.clock,
        _pieces(items),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": 'attachment; filename="knowledge.jsonl"', **UNCACHED},
    )


@knowledge_files.post("/api/knowledge/import", needs=KNOWLEDGE_WRITE, gives=Imported)
async def take_in(
    call: Call[KnowledgePorts],
    query: Annotated[ImportAsk, Query()],
    lines: Annotated[str, Body(media_type=MEDIA_TYPE, description="what GET /api/knowledge/export gave")],
) -> Response:
    """Add the items of a file; a line that is wrong is refused by itself. The body is bounded as every body is
    (ARAGORA_MAX_BODY_BYTES): send a larger file in parts."""
    place = home(call, query.workspace)
    async with noted(call, "import", place.workspace):
        view = await _imported(call, place, lines)
    return json_response(view, headers=UNCACHED)


async def _imported(call: Call[KnowledgePorts], place: Home, lines: str) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    refusals: list[dict[str, Any]] = []
    ahead: list[Noted] = []
    person, now = call.who.user_id, call.ports.clock.now()
    for number, text in enumerate(lines.split("\n"), 1):
        if not text.strip():
            continue
        try:
            read = read_line(text, person, now)
        except InvalidInput as refused:
            counts["refused"] += 1
            if len(refusals) < REFUSALS_MAX:
                refusals.append({"line": number, "code": refused.code, "message": refused.message})
            continue
        if read is None:
            counts["skipped"] += 1
            continue
        ahead.append(read)
        if len(ahead) == limits.KNOWLEDGE_ITEMS_MAX:
            counts.update(await _written(call, place, ahead))
            ahead = []
    if ahead:
        counts.update(await _written(call, place, ahead))
    names = ("added", "known", "quarantined", "skipped", "refused")
    return {**{name: counts[name] for name in names}, "refusals": refusals}


async def _written(call: Call[KnowledgePorts], place: Home, notes: list[Noted]) -> Counter[str]:
    done = await call.ports.keeper.take_in(place, notes)
    new = [one.item for one in done if one.effect == "added"]
    held = sum(item.status is Status.QUARANTINED for item in new)
    return Counter(added=len(new), known=len(done) - len(new), quarantined=held)


async def _pieces(items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    piece = bytearray()
    async for item in items:
        piece += encode(line_of(item)) + b"\n"
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
