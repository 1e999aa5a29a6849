"""A workflow as data: what its steps are, and which follows which. The one declaration of the format.

These dataclasses are what the machine runs, and what `aragora.workflows.reading` reads an author's JSON into; the JSON
schema is theirs too. A definition is a graph of steps:

block     a chain of steps: the first, what follows it by `next`, or by `on` for another outcome, and so on until a step
          without one. The definition's own block begins at `entry`; `parallel`, `map` and `loop` begin blocks within
          it, and go on once those are done. A step stands in one block, and within a block no chain comes back:
          what is done again stands in a `loop`, which has a bound.
outcome   how a step ended: `done`; an approval's `rejected` or `expired`; a wait's `expired`; else `failed`. `on` names
          the step that follows an outcome. Without one a `failed` or `rejected` step ends its execution; where the step
          is `optional` the chain goes on with `next`.
text      a value in which `{{ ... }}` stands for what a CEL expression gives. A text that is one such expression has
          its value, of whatever type. Expressions see `inputs`, `steps` (by id: what they gave), and within blocks
          `item` and `index` (of a map), `round` (of a loop, from 1).

Times are seconds, money is US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from aragora import limits

FORBID: Final = ConfigDict(extra="forbid", use_attribute_docstrings=True)

DAY_S: Final = 86_400.0
LIFE_MAX_S: Final = 90 * DAY_S
"""An execution ends within this time, whatever it waits for."""
DEFINITION_MAX_BYTES: Final = 65_536
STEPS_MAX: Final = 100
STEP_RUNS_MAX: Final = 20_000  # of one execution
PAYLOAD_MAX_BYTES: Final = 262_144  # of what an execution is given, a step gives, or an event brings
ITEMS_MAX_BYTES: Final = 4_194_304  # of what the blocks of a map give together
DEPTH_MAX: Final = 5  # of workflows that start workflows, the first counted
BRANCHES_MAX: Final = 20
ITEMS_MAX: Final = 1_000  # of a map
AT_ONCE_MAX: Final = 50  # of a map
ROUNDS_MAX: Final = 100  # of a loop
ATTEMPTS_MAX: Final = 10
EXPRESSION_MAX_CHARS: Final = 1_000

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""Of a step, an input or an output: it is a name in expressions."""
Text = Annotated[str, Field(max_length=limits.QUESTION_MAX_CHARS)]
Expression = Annotated[str, Field(min_length=1, max_length=EXPRESSION_MAX_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]
Seconds = Annotated[float, Field(gt=0, le=LIFE_MAX_S, allow_inf_nan=False)]
Usd = Annotated[float, Field(gt=0, le=limits.BUDGET_MAX_USD, allow_inf_nan=False)]
Who = Annotated[str, Field(pattern=r"^(user|role):\S{1,128}$")]
"""`user:ID` or `role:NAME`."""
Outcome = Literal["rejected", "expired", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a step that failed is tried. Only what may go better next time is tried again.

    The n-th pause is `pause_s * factor ** (n - 1)`, `pause_max_s` at most, with chance taken off (`backoff` of the
    machine)."""

    __pydantic_config__ = FORBID

    attempts: Annotated[int, Field(ge=1, le=ATTEMPTS_MAX)] = 1
    pause_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 2.0
    factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    pause_max_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every step has.

    Attributes:
        id: unique in the definition.
        title: for people; empty: the id.
        next: the step after `done`; None: the end of the block.
        on: the step after another outcome.
        optional: whether the chain goes on where it failed.
        timeout_s: it has failed after that, counted from its first attempt; None: the execution's own limit.
        retry: how often it is tried.
        compensate: the step that undoes it. Where the execution fails or is cancelled, such steps run for all that were
            done, the last first. A step that compensates stands in no block.
    """

    __pydantic_config__ = FORBID

    id: Id
    title: Annotated[str, Field(max_length=limits.NAME_MAX_CHARS)] = ""
    next: Id | None = None
    on: Mapping[Outcome, Id] = field(default_factory=dict)
    optional: bool = False
    timeout_s: Seconds | None = None
    retry: Retry = Retry()
    compensate: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Debate(Common):
    """A debate. Gives `debate_id`, `status`, `answer`, `option`, `reached`, `confidence`, `dissent`, `receipt_id`,
    `receipt_hash`, `cost_usd`. Fails where the debate did; one that reached no decision is done, with `reached` false.
    """

    type: Literal["debate"] = "debate"
    question: Text
    context: Annotated[str, Field(max_length=limits.CONTEXT_MAX_CHARS)] = ""
    protocol: Name = "structured"
    agents: Annotated[tuple[Name, ...], Field(max_length=limits.AGENTS_MAX)] = ()
    rounds: Annotated[int | None, Field(ge=limits.ROUNDS_MIN, le=limits.ROUNDS_MAX)] = None
    consensus: Name | None = None
    domain: Name = "general"
    options: Annotated[tuple[Annotated[str, Field(max_length=limits.OPTION_MAX_CHARS)], ...] | Expression, Field()] = ()
    budget_usd: Usd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Common):
    """One agent is asked, without a debate. Gives what a debate gives."""

    type: Literal["ask"] = "ask"
    question: Text
    context: Annotated[str, Field(max_length=limits.CONTEXT_MAX_CHARS)] = ""
    agent: Name | None = None
    """None: the server's first."""
    domain: Name = "general"
    budget_usd: Usd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """What whoever approves ticks off."""

    __pydantic_config__ = FORBID

    id: Id
    label: Annotated[str, Field(min_length=1, max_length=limits.NOTE_MAX_CHARS)]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Who is asked besides once a deadline has passed, and how long these have."""

    __pydantic_config__ = FORBID

    approvers: Annotated[tuple[Who, ...], Field(min_length=1, max_length=limits.NEEDS_MAX)]
    deadline_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Common):
    """A person's yes or no. Gives `status` (`approved`, `rejected`, `expired`), `answers`, `approved_by`. `aragora.
    workflows.approving` has the rules.

    Attributes:
        shows: what the approver is given to see, by name: texts.
        approvers: who may answer.
        quorum: `one`; `all`: everybody named as `user:`, and one of each role; `one_per_role`; or so many people.
        veto: one rejection rejects it. Else it is rejected once its quorum cannot be met any more.
        allow_requester: whether who started the execution may answer.
        allow_author: whether who wrote this version of the definition may answer.
        deadline_s: None, said explicitly: it waits as long as the execution may.
        on_expiry: what becomes of it at the deadline, after its escalations: `expire`, or `approve`, which only an
            owner may save.
        remind_before_s: those who have not answered are told again so long before the deadline.
        comment: when one must be given.
    """

    type: Literal["approval"] = "approval"
    shows: Annotated[Mapping[Id, Text], Field(max_length=20)] = field(default_factory=dict)
    approvers: Annotated[tuple[Who, ...], Field(min_length=1, max_length=limits.NEEDS_MAX)]
    quorum: Literal["one", "all", "one_per_role"] | Annotated[int, Field(ge=1, le=limits.NEEDS_MAX)] = "one"
    veto: bool = True
    allow_requester: bool = False
    allow_author: bool = False
    deadline_s: Seconds | None
    escalations: Annotated[tuple[Escalation, ...], Field(max_length=5)] = ()
    on_expiry: Literal["expire", "approve"] = "expire"
    remind_before_s: Seconds | None = None
    checklist: Annotated[tuple[ChecklistItem, ...], Field(max_length=20)] = ()
    comment: Literal["optional", "on_rejection", "always"] = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Goes to a step where its condition holds."""

    __pydantic_config__ = FORBID

    when: Expression
    next: Id | None
    """None: the end of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide(Common):
    """Goes on with the first branch that holds, else with `next`. Gives `branch`: its number from 0, or -1."""

    type: Literal["decide"] = "decide"
    branches: Annotated[tuple[Branch, ...], Field(min_length=1, max_length=BRANCHES_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Common):
    """Several blocks at a time. Gives `first`: the entry of the first block that was done.

    `wait_for`: `all` blocks, or the `first`; what the others do is closed then. With `all`, one that fails fails it.
    """

    type: Literal["parallel"] = "parallel"
    blocks: Annotated[tuple[Id, ...], Field(min_length=1, max_length=BRANCHES_MAX)]
    wait_for: Literal["all", "first"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Map(Common):
    """A block for each item of a list. Gives `items`: what each item's last step gave, in order."""

    type: Literal["map"] = "map"
    over: Expression
    block: Id
    items_max: Annotated[int, Field(ge=1, le=ITEMS_MAX)]
    """A longer list fails the step."""
    at_once: Annotated[int, Field(ge=1, le=AT_ONCE_MAX)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Common):
    """A block again and again until a condition holds after it. Gives `rounds`, `met`, and `last`: what the last step
    of the last round gave. Without `until` it runs `rounds_max` times. Where the condition is not met by then it is
    done all the same, with `met` false."""

    type: Literal["loop"] = "loop"
    block: Id
    rounds_max: Annotated[int, Field(ge=1, le=ROUNDS_MAX)]
    until: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Common):
    """Waits for one of: `for_s` seconds; a moment, `until` (a text: seconds since the epoch, or RFC 3339); or an event
    that somebody sends by name, `expires_s` at most. An event that came before counts, and counts once. Gives `event`:
    what it brought."""

    type: Literal["wait"] = "wait"
    for_s: Seconds | None = None
    until: Annotated[str, Field(max_length=EXPRESSION_MAX_CHARS)] | None = None
    event: Id | None = None
    expires_s: Seconds | None = None
    """Of an event; None: as long as the execution may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeSearch(Common):
    """Looks in the Knowledge Mound of the execution's workspace. Gives `items`: id, kind, text, confidence."""

    type: Literal["knowledge_search"] = "knowledge_search"
    query: Text
    limit: Annotated[int, Field(ge=1, le=50)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeWrite(Common):
    """Keeps a fact in the Knowledge Mound, as the word of the debates that its text is filled from, else of the tasks,
    else of whoever started the execution. Gives `item_id`."""

    type: Literal["knowledge_write"] = "knowledge_write"
    text: Annotated[str, Field(min_length=1, max_length=limits.KNOWLEDGE_MAX_CHARS)]
    topics: Annotated[
        tuple[Annotated[str, Field(max_length=limits.KNOWLEDGE_TOPIC_MAX_CHARS)], ...],
        Field(max_length=limits.KNOWLEDGE_TOPICS_MAX),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Common):
    """Something for an agent of the control plane. Gives `task_id`, `result`, `agent_id`."""

    type: Literal["task"] = "task"
    task: Name
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Its texts are texts as above."""
    capabilities: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    priority: Annotated[int, Field(ge=0, le=9)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Common):
    """Another workflow of the workspace, its latest version. Gives `execution_id`, `status`, `outputs`."""

    type: Literal["workflow"] = "workflow"
    workflow: Name
    """Its id."""
    inputs: Mapping[Id, Any] = field(default_factory=dict)
    """Its texts are texts as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Common):
    """Tells the organisation's webhooks (event `workflow.notified`). Gives nothing."""

    type: Literal["notify"] = "notify"
    message: Text
    details: Annotated[Mapping[Id, Any], Field(max_length=20)] = field(default_factory=dict)


Step: TypeAlias = (
    Debate
    | Ask
    | Approval
    | Decide
    | Parallel
    | Map
    | Loop
    | Wait
    | KnowledgeSearch
    | KnowledgeWrite
    | Task
    | Workflow
    | Notify
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What an execution is given. Without a default it must be."""

    __pydantic_config__ = FORBID

    type: Literal["string", "number", "integer", "boolean", "list", "object"] = "string"
    description: Annotated[str, Field(max_length=limits.NOTE_MAX_CHARS)] = ""
    required: bool = True
    default: Any = None
    """Of one that is not required."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A workflow.

    Attributes:
        steps: in any order.
        entry: the first; None: the first that is written down.
        outputs: what an execution gives, by name: expressions.
        timeout_s: an execution that takes longer fails.
        budget_usd: what all that an execution starts may cost together; None: as the steps say.
        tags, category: for lists.
    """

    __pydantic_config__ = FORBID

    name: Name
    description: Annotated[str, Field(max_length=limits.NOTE_MAX_CHARS)] = ""
    category: Annotated[str, Field(max_length=limits.NAME_MAX_CHARS)] = ""
    tags: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    inputs: Annotated[Mapping[Id, Input], Field(max_length=50)] = field(default_factory=dict)
    steps: Annotated[
        tuple[Annotated[Step, Field(discriminator="type")], ...], Field(min_length=1, max_length=STEPS_MAX)
    ]
    entry: Id | None = None
    outputs: Annotated[Mapping[Id, Expression], Field(max_length=50)] = field(default_factory=dict)
    timeout_s: Seconds = 7 * DAY_S
    budget_usd: Usd | None = None

    @property
    def first(self) -> str:
        """The id of the step that an execution begins with."""
        return self.entry or self.steps[0].id

    def step(self, step_id: str) -> Step:
        """The step of an id. Raises KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


def blocks_of(step: Step) -> tuple[str, ...]:
    """The first steps of the blocks that a step runs within itself."""
    if isinstance(step, Parallel):
        return step.blocks
    return (step.block,) if isinstance(step, Map | Loop) else ()


def followers(step: Step) -> tuple[str, ...]:
    """The steps that may follow a step in its block, each once."""
    branches = tuple(branch.next for branch in step.branches) if isinstance(step, Decide) else ()
    found = (step.next, *branches, *step.on.values())
    return tuple(dict.fromkeys(one for one in found if one is not None))
