"""A stand-in for Supabase's REST interface: the part of PostgREST that the document store speaks, over aiohttp."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

KEY = "service-key-of-the-stand-in"


class PostgRest:
    """Tables as dictionaries; filters eq and gt, order, limit, Prefer, Content-Range, 401 and 409 as PostgREST does."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        self.failing: list[int] = []  # statuses of the next answers
        self.pages: list[str] = []  # what the next answers hold in place of JSON
        self.requests = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/rest/v1/{table}", self._answer)
        return app

    def _spoiled(self) -> web.Response:
        if self.failing:
            return web.json_response({"message": "down"}, status=self.failing.pop(0))
        return web.Response(text=self.pages.pop(0), content_type="text/html")

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.headers.get("apikey") != KEY or request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        if self.failing or self.pages:
            return self._spoiled()
        table = self.tables.setdefault(request.match_info["table"], {})
        rows = [row for row in table.values() if _matches(row, request.query)]
        prefer = request.headers.get("Prefer", "")
        if request.method == "POST":
            row = json.loads(await request.text())
            if row["record_id"] in table:
                return web.json_response({"code": "23505"}, status=409)
            table[row["record_id"]] = row
            return web.json_response([row], status=201)
        if request.method == "PATCH":
            changes = json.loads(await request.text())
            for row in rows:
                row.update(changes)
        elif request.method == "DELETE":
            for row in rows:
                del table[row["record_id"]]
        else:
            rows.sort(key=lambda row: str(row["record_id"]))
            total = len(rows)
            rows = rows[: int(request.query.get("limit", total))]
            counted = str(total) if "count=exact" in prefer else "*"
            return web.json_response(rows, headers={"Content-Range": f"0-{max(0, len(rows) - 1)}/{counted}"})
        return web.json_response(rows if "return=representation" in prefer else [])


def _matches(row: dict[str, Any], query: Any) -> bool:
    for name, condition in query.items():
        if name in ("select", "order", "limit"):
            continue
        operator, _, wanted = condition.partition(".")
        value = str(row[name])
        if not (value == wanted if operator == "eq" else value > wanted):
            return False
    return True
