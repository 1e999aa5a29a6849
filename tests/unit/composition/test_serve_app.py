"""How Serve is begun: its controller may replace what the call waits for. Ray is not started."""

from __future__ import annotations

from typing import Any

import pytest
from ray import serve
from ray.exceptions import RayError

import serve_app
from aragora.errors import Unavailable


class Starts:
    """Takes the place of `serve.start`; the first `failing` calls fail as Serve's do."""

    def __init__(self, failing: int) -> None:
        self.failing = failing
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **options: Any) -> None:
        self.calls.append(options)
        if len(self.calls) <= self.failing:
            raise RayError("The actor died unexpectedly before finishing this task.\n\tclass_name: HAProxyManager")


def test_a_proxy_that_was_replaced_meanwhile_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(failing=2)
    monkeypatch.setattr(serve, "start", starts)
    serve_app._start_serve({"host": "0.0.0.0"})
    assert [call["http_options"] for call in starts.calls] == [{"host": "0.0.0.0"}] * 3


def test_where_it_never_starts_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(failing=99)
    monkeypatch.setattr(serve, "start", starts)
    with pytest.raises(Unavailable, match="Serve does not start: The actor died") as told:
        serve_app._start_serve({})
    assert len(starts.calls) == serve_app.STARTS
    assert "\n" not in told.value.message
