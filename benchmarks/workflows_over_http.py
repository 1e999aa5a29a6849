"""What executions of workflows cost through a server: `python -m benchmarks.workflows_over_http [--answers N] ...`.

One system, SQLite. Prints a JSON line for each figure, with its goal:

    resolve      from the POST of a person's answer to the begin of the next step, by the journal's clock, on a server
                 that has nothing else to do; and how long the POST itself takes
    transitions  ended steps a second of executions that run at a time, each step a notification
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any, Final

import aiohttp

from benchmarks.figures import percentile, rounded
from benchmarks.system import running

RESOLVE_MS: Final = 100.0
STEPS_A_SECOND: Final = 500.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=120.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=100, help="of people")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two of them: the server is idle")
    parser.add_argument("--executions", type=int, default=100, help="that run at a time")
    parser.add_argument("--steps", type=int, default=20, help="of each of these")
    options = parser.parse_args()
    with running(stubs=3, latency_ms=0.0, http=True) as system:
        asyncio.run(_measure(f"http://127.0.0.1:{system.http_port}", options))


async def _measure(url: str, options: argparse.Namespace) -> None:
    async with aiohttp.ClientSession(url, timeout=TIMEOUT) as session:
        await _resolved(session, options.answers, options.pause)
        await _transitions(session, options.executions, options.steps)


async def _resolved(session: aiohttp.ClientSession, answers: int, pause_s: float) -> None:
    workflow = await _made(session, "sign", [_SIGN, {"type": "notify", "id": "tell", "message": "Signed."}])
    posted_ms: list[float] = []
    began_ms: list[float] = []
    for _ in range(answers):
        execution = await _started(session, workflow)
        path = f"/api/workflow-approvals?status=pending&execution={execution}"
        (asked,) = (await _get(session, path))["approvals"]  # it is there with the answer to the POST
        approval = await _get(session, f"/api/workflow-approvals/{asked['approval_id']}")
        await asyncio.sleep(pause_s)
        word = {"decision": "approve", "digest": approval["digest"]}
        at, began = time.time(), time.perf_counter()
        await _post(session, f"/api/workflow-approvals/{approval['approval_id']}/resolve", word)
        posted_ms.append(1e3 * (time.perf_counter() - began))
        ended = await _ended(session, execution)
        began_ms += [1e3 * (one["timestamp"] - at) for one in ended if _is_begun(one, "tell")]
    assert len(began_ms) == answers, "each went on"
    for name, took_ms in (("resolve_to_next_step_ms", sorted(began_ms)), ("resolve_ms", sorted(posted_ms))):
        figures = {"figure": name, "value": percentile(took_ms, 0.99), "p50": percentile(took_ms, 0.5)}
        _print({**figures, "answers": answers, "goal": RESOLVE_MS})


def _is_begun(event: dict[str, Any], run: str) -> bool:
    return bool(event["type"] == "step_started" and event["run"] == run)


async def _transitions(session: aiohttp.ClientSession, executions: int, steps: int) -> None:
    ids = [f"s{number}" for number in range(steps)]
    chain = [
        {"type": "notify", "id": one, "message": "On.", "next": after}
        for one, after in zip(ids, [*ids[1:], None], strict=True)
    ]
    workflow = await _made(session, "chain", chain)
    began = time.perf_counter()
    ran = await asyncio.gather(*(_started(session, workflow) for _ in range(executions)))
    started_s = time.perf_counter() - began
    ended = await asyncio.gather(*(_ended(session, one) for one in ran))
    first = min(events[0]["timestamp"] for events in ended)
    last = max(one["timestamp"] for events in ended for one in events if one["type"] == "execution_ended")
    _print(
        {"figure": "steps_a_second", "value": executions * steps / (last - first), "executions": executions}
        | {"started_within_s": started_s, "goal": STEPS_A_SECOND}
    )


async def _made(session: aiohttp.ClientSession, name: str, steps: list[dict[str, Any]]) -> str:
    made = await _post(
        session, "/api/workflows", {"definition": {"name": name, "entry": steps[0]["id"], "steps": steps}}
    )
    return str(made["workflow_id"])


async def _started(session: aiohttp.ClientSession, workflow: str) -> str:
    return str((await _post(session, f"/api/workflows/{workflow}/execute", {"inputs": {}}))["execution_id"])


async def _ended(session: aiohttp.ClientSession, execution: str) -> list[dict[str, Any]]:
    """Its events, once it has ended."""
    events: list[dict[str, Any]] = []
    while not any(one["type"] == "execution_ended" for one in events):
        page = await _get(session, f"/api/workflow-executions/{execution}/events?after={len(events)}&wait_s=20")
        events += page["events"]
    return events


async def _get(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with session.get(path) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


async def _post(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(path, json=body) as answer:
        if not answer.ok:
            raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
        found: dict[str, Any] = await answer.json()
        return found


def _print(figures: dict[str, object]) -> None:
    print(json.dumps(rounded(figures)), flush=True)


_SIGN: Final[dict[str, Any]] = {
    "type": "approval",
    "id": "sign",
    "approvers": ["role:owner"],
    "deadline_s": None,
    "allow_requester": True,
    "allow_author": True,
    "next": "tell",
}


if __name__ == "__main__":
    main()
