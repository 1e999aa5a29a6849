"""The runbook's lines with identity headers, typed against a development server on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from worlds.live_server import LiveServer

pytestmark = pytest.mark.slow

HEADERS = ("X-User-ID: user-123", "X-Org-ID: org-456", "X-User-Roles: admin,member")


def curl(server: LiveServer, path: str, *headers: str) -> tuple[int, str]:
    """Status and body of what curl gets."""
    command = shutil.which("curl")
    if command is None:
        pytest.skip("there is no curl here")
    sent = [word for header in headers for word in ("-H", header)]
    done = subprocess.run(
        [command, "-s", "-m", "30", "-w", "\\n%{http_code}", *sent, server.url + path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_the_header_lines_act_for_the_user_they_name(server: LiveServer, debate_id: str) -> None:
    status, me = curl(server, "/api/auth/me", *HEADERS)
    assert status == 200
    assert (json.loads(me)["user_id"], json.loads(me)["org_id"]) == ("user-123", "org-456")
    assert "debates.create" in json.loads(me)["permissions"]

    status, body = curl(server, "/api/debates", *HEADERS)
    assert (status, json.loads(body)["debates"]) == (200, [])  # those of org-456 alone
    assert curl(server, f"/api/debates/{debate_id}", *HEADERS)[0] == 404
    assert curl(server, f"/api/debates/{debate_id}")[0] == 200


def test_headers_from_behind_a_proxy_are_refused(server: LiveServer) -> None:
    status, body = curl(server, "/api/debates", *HEADERS, "X-Forwarded-For: 203.0.113.9")
    assert (status, json.loads(body)["error"]["code"]) == (401, "unproven_identity")


def test_half_of_the_headers_are_no_identity(server: LiveServer) -> None:
    assert curl(server, "/api/debates", HEADERS[0])[0] == 422
