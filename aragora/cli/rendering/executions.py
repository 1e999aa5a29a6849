"""Executions of workflows, for people: a row of a list, one in full, and its events as they happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any, Final

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from aragora import encoding
from aragora.agents.frames import one_line
from aragora.cli.rendering.knowledge import moment
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say
from aragora.debate.budget import MICROS
from aragora.texts import counted
from aragora.workflows import model
from aragora.workflows.journal import event_of

STYLES: Final = {"completed": "green", "failed": "red", "cancelled": "yellow", "waiting": "yellow", "paused": "yellow"}
VALUE_MAX_CHARS: Final = 500  # of a value in a summary; --json has it whole
_VERDICTS: Final = {"approve": "approved", "reject": "rejected", "abstain": "abstained from"}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A line of a log: when, and what. On a terminal the rest of a long line stands under its beginning."""

    at: str
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.is_terminal:
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True, style="dim")
            grid.add_column(overflow="fold")
            grid.add_row(self.at, self.text)
            yield grid
        else:
            yield Text.assemble((self.at, "dim"), "  ", self.text)


class ExecutionPrinter:
    """Prints the events of an execution, given as their envelopes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, envelope: Mapping[str, Any]) -> None:
        try:
            shown = told(event_of(encoding.encode_text(envelope)))
        except (KeyError, msgspec.MsgspecError):  # a newer server has events that this command does not know
            return
        if shown is not None:
            self._console.print(Stamped(_second(envelope.get("timestamp")), shown))


def listed_lines(page: Mapping[str, Any]) -> list[RenderableType]:
    """A page of executions."""
    lines: list[RenderableType] = []
    for one in page["executions"]:
        began = f"started {moment(one['started_at'])} by {one['started_by']}, ${one['cost_usd']:.4f}"
        lines += [_head(one), Indented([say(str(one["name"])), say(began, "dim"), *_because(one)])]
    return lines or [say("There is none.")]


def execution_lines(one: Mapping[str, Any]) -> list[RenderableType]:
    """An execution: what it was given, what it waits for, and what came of it."""
    workflow = f"workflow {one['workflow_id']}, version {one['version']}, in {one['workspace']}"
    times = f"started {moment(one['started_at'])} by {one['started_by']}"
    ended = f", ended {moment(one['ended_at'])}" if one["ended_at"] else ""
    lines: list[RenderableType] = [_head(one), say(str(one["name"]), "bold")]
    facts = [say(workflow, "dim"), say(f"{times}{ended}", "dim"), say(f"cost ${one['cost_usd']:.4f}"), *_because(one)]
    lines.append(Indented(facts))
    lines += _values("Inputs", one["inputs"])
    if one["open"]:
        lines += [say("Now", "bold"), Indented([line for run in one["open"] for line in _open(run)])]
    lines += _values("Steps", one["steps"])
    lines += _values("Outputs", one["outputs"] or {})
    if one["receipt_id"]:
        lines += [say(f"Receipt {one['receipt_id']}; check it with", "dim")]
        lines += [say(f"aragora verify {one['execution_id']}", "dim")]
    return lines


def ended_lines(one: Mapping[str, Any]) -> list[RenderableType]:
    """What came of an execution whose events were shown."""
    return [_head(one), *_values("Outputs", one["outputs"] or {})]


def dry_lines(found: Mapping[str, Any]) -> list[RenderableType]:
    """What an execution would ask, and the most that it may cost."""
    usd = found["usd"]
    most = "no budget bounds its cost" if usd is None else f"it costs ${usd:g} at most"
    runs = counted(int(found["step_runs"]), "step")
    steps = [say(f"{one['id']} ({one['type']}){_title(one)}") for one in found["steps"]]
    return [say(f"Nothing was started. It runs {runs} at most; {most}."), say("Steps", "bold"), Indented(steps)]


# --- events


@singledispatch
def told(event: object) -> Text | None:
    """What happened, in a line; None for what only programs need."""
    del event
    return None


@told.register
def _started(event: model.ExecutionStarted) -> Text:
    return say(f"{event.started_by} started {event.name!r}, version {event.version}", "bold")


@told.register
def _step_started(event: model.StepStarted) -> Text:
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return say(f"{event.run} ({event.kind}) began{again}")


@told.register
def _accepted(event: model.StepAccepted) -> Text:
    return say(f"{event.run}: {event.ref}", "dim")


@told.register
def _completed(event: model.StepCompleted) -> Text:
    answer = event.output.get("answer")
    gave = f": {one_line(_cut(str(answer)))}" if answer else ""
    return say(
        f"{event.run} {event.outcome}{_cost(event.cost_micros)}{gave}", "green" if event.outcome == "done" else ""
    )


@told.register
def _failed(event: model.StepFailed) -> Text:
    again = "" if event.again_at is None else f"; tried again {_second(event.again_at)}"
    return say(
        f"{event.run} failed ({event.code}): {one_line(event.reason)}{_cost(event.cost_micros)}{again}", "yellow"
    )


@told.register
def _step_closed(event: model.StepClosed) -> Text:
    return say(f"{event.run}: not waited for any more ({event.why})", "dim")


@told.register
def _block(event: model.BlockStarted) -> Text:
    return say(f"{event.run}: number {event.index + 1}", "dim")


@told.register
def _late(event: model.LateAnswer) -> Text:
    return say(f"{event.run}: an answer came too late{_cost(event.cost_micros)}", "dim")


@told.register
def _signal(event: model.SignalReceived) -> Text:
    return say(f"{event.by} sent the event {event.name!r}")


@told.register
def _approval_opened(event: model.ApprovalOpened) -> Text:
    until = "" if event.deadline_at is None else f", until {_second(event.deadline_at)}"
    return say(f"{event.run}: people are asked{until}; see 'aragora approvals show {event.approval_id}'", "yellow")


@told.register
def _answered(event: model.ApprovalAnswered) -> Text:
    place = "in place of others" if event.bypass else f"as {event.need}"
    comment = f": {one_line(event.comment)}" if event.comment else ""
    return say(f"{event.person} {_VERDICTS[event.verdict]} it {place}{comment}")


@told.register
def _reminded(event: model.ApprovalReminded) -> Text:
    return say(f"{event.approval_id}: those who have not answered were told again", "dim")


@told.register
def _escalated(event: model.ApprovalEscalated) -> Text:
    return say(f"{event.approval_id}: more people are asked, until {_second(event.deadline_at)}", "yellow")


@told.register
def _approval_closed(event: model.ApprovalClosed) -> Text:
    return say(f"{event.approval_id}: {event.status}. {one_line(event.why)}".rstrip(". "))


@told.register
def _paused(event: model.ExecutionPaused) -> Text:
    return say(f"{event.by} paused it", "yellow")


@told.register
def _resumed(event: model.ExecutionResumed) -> Text:
    return say(f"{event.by} resumed it")


@told.register
def _cancel(event: model.CancelRequested) -> Text:
    return say(f"{event.by} cancels it{f': {one_line(event.reason)}' if event.reason else ''}", "yellow")


@told.register
def _stopping(event: model.ExecutionStopping) -> Text:
    undoes = f"; undone first: {', '.join(event.undoes)}" if event.undoes else ""
    return say(f"It ends as {event.status}: {_why(event.status, event.code, event.reason)}{undoes}", "yellow")


@told.register
def _retried(event: model.ExecutionRetried) -> Text:
    changed = f", with another {', '.join(sorted(event.what))}" if event.what else ""
    return say(f"{event.by} retries it from {event.run}{changed}")


@told.register
def _ended(event: model.ExecutionEnded) -> Text:
    why = f": {_why(event.status, event.code, event.reason)}" if event.code else ""
    return say(f"It is {event.status} (${event.cost_micros / MICROS:.4f} in all){why}", f"bold {STYLES[event.status]}")


@told.register
def _receipt(event: model.ReceiptIssued) -> Text:
    return say(f"Receipt {event.receipt_id}, link {event.position} of the chain", "dim")


# --- parts


def _head(one: Mapping[str, Any]) -> Text:
    status = str(one["status"])
    return Text.assemble(say(str(one["execution_id"]), "bold"), "  ", say(status, STYLES.get(status, "")))


def _because(one: Mapping[str, Any]) -> list[Text]:
    told = _why(str(one["status"]), str(one["code"]), str(one["reason"]))
    return [say(f"because: {told}", "yellow")] if one["code"] else []


def _why(status: str, code: str, reason: str) -> str:
    """The reason of an end, with its code where that tells more than the status."""
    return one_line(reason) if code == status else f"{one_line(reason)} ({code})"


def _open(run: Mapping[str, Any]) -> Iterator[Text]:
    until = f", until {moment(run['due_at'])}" if run["due_at"] else ""
    attempt = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
    yield say(
        f"{run['run']} ({run['kind']}) {run['says']} since {moment(run['began_at'])}{until}{attempt}{_title(run)}"
    )
    if run["approval_id"]:
        yield say(f"  aragora approvals show {run['approval_id']}")
    elif run["ref"]:
        yield say(f"  {run['ref']}", "dim")


def _title(one: Mapping[str, Any]) -> str:
    """A step's title, where it has one of its own."""
    step = one.get("step", one.get("id"))
    return "" if one["title"] == step else f": {one_line(str(one['title']))}"


def _values(heading: str, values: Mapping[str, Any]) -> list[RenderableType]:
    if not values:
        return []
    lines = [say(f"{name}: {_value(value)}") for name, value in values.items()]
    return [say(heading, "bold"), Indented(lines)]


def _value(value: Any) -> str:
    said = value.get("answer") if isinstance(value, Mapping) else value  # of a debate: the rest is in --json
    text = said if isinstance(said, str) and said else encoding.encode_text(value)
    return _cut(one_line(text))


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_MAX_CHARS else f"{text[:VALUE_MAX_CHARS]}… (--json has all of it)"


def _cost(micros: int) -> str:
    return f", ${micros / MICROS:.4f}" if micros else ""


def _second(at: object) -> str:
    """A time in UTC, to the second."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if isinstance(at, int | float) else "-"
    except (ValueError, OverflowError, OSError):
        return f"{at:g}"
