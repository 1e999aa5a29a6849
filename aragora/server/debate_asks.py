"""What people ask of debates: the bodies of their routes, checked."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from aragora import limits
from aragora.debate.machine.gate import ROLE, USER
from aragora.debate.model import ConsensusMode, Topology, Verdict
from aragora.debate.proposition import Proposition
from aragora.identity.rbac import DEBATES_CREATE, ROLES, by_power, permissions_of
from aragora.server.schemas import Line, Prose, Workspace

_Name = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]


_Option = Annotated[Line, Field(min_length=1, max_length=limits.OPTION_MAX_CHARS)]


_SIGNING: Final = tuple(role for role in by_power(ROLES) if DEBATES_CREATE.permission in permissions_of((role,)))


def _known(need: str) -> str:
    name = need.removeprefix(ROLE)
    if need.startswith(ROLE) and name not in ROLES:
        raise ValueError(f"there is no role {name!r}: choose one of {', '.join(_SIGNING)}")
    if need.startswith(ROLE) and name not in _SIGNING:
        raise ValueError(f"who is only {name} may not sign: choose one of {', '.join(_SIGNING)}")
    return need


_Need = Annotated[Line, Field(pattern="^(user|role):[A-Za-z0-9._:@+-]{1,128}$"), AfterValidator(_known)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


class CreateDebate(_Request):
    """A question to settle. Without `agents` the server chooses from those available."""

    question: Annotated[Prose, Field(min_length=1, max_length=limits.QUESTION_MAX_CHARS)]
    agents: Annotated[tuple[_Name, ...], Field(max_length=limits.AGENTS_MAX)] = ()
    protocol: _Name = "structured"
    rounds: Annotated[int, Field(ge=limits.ROUNDS_MIN, le=limits.ROUNDS_MAX)] | None = None
    consensus: ConsensusMode | None = None
    topology: Topology | None = None
    context: Annotated[Prose, Field(max_length=limits.CONTEXT_MAX_CHARS)] = ""
    domain: _Name = "general"
    budget_usd: Annotated[float, Field(gt=0, le=limits.BUDGET_MAX_USD)] | None = None
    options: Annotated[
        tuple[_Option, ...], Field(max_length=limits.OPTIONS_MAX, description="what there is to choose from, if given")
    ] = ()
    needs: Annotated[
        tuple[_Need, ...],
        Field(max_length=limits.NEEDS_MAX, description="who must sign the decision: user:ID or role:NAME"),
    ] = ()
    knowledge: Annotated[
        StrictBool, Field(description="false: the agents are offered nothing of what earlier debates left")
    ] = True
    suggested: Annotated[
        StrictBool, Field(description="true: rounds, consensus and needs that are not given are as suits the workspace")
    ] = False

    workspace: Annotated[
        Workspace | None, Field(description="where it is to be; unsaid: the API key's, else `default`")
    ] = None

    def proposition(self, *, created_by: str, org_id: str, workspace: str) -> Proposition:
        """What is asked for, by whom and where. The fields here bear the names that they have there."""
        return Proposition(**{**dict(self), "workspace": workspace}, created_by=created_by, org_id=org_id)


class CastVote(_Request):
    """A person's vote for an agent's answer, or a suggestion to all agents: one of the two."""

    choice: _Name | None = None
    intensity: Annotated[int, Field(ge=limits.INTENSITY_MIN, le=limits.INTENSITY_MAX)] = 5
    suggestion: Annotated[Prose, Field(min_length=1, max_length=limits.SUGGESTION_MAX_CHARS)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> CastVote:
        if (self.choice is None) == (self.suggestion is None):
            raise ValueError("send either 'choice' or 'suggestion'")
        return self


class CorrectPositions(_Request):
    """Which answers come to the same conclusion, as a person reads them: the agents of each position. Agents that are
    not named stay where they are."""

    groups: Annotated[
        tuple[Annotated[tuple[_Name, ...], Field(min_length=1, max_length=limits.AGENTS_MAX)], ...],
        Field(min_length=1, max_length=limits.AGENTS_MAX),
    ]


class SignDecision(_Request):
    """What a person says to the proposed decision. A change brings the answer that is to stand."""

    verdict: Verdict
    note: Annotated[Prose, Field(max_length=limits.NOTE_MAX_CHARS)] = ""
    answer: Annotated[Prose, Field(max_length=limits.ANSWER_MAX_CHARS)] = ""
    option: Annotated[Line, Field(max_length=limits.OPTION_MAX_CHARS)] = ""
    need: Annotated[
        Line,
        Field(
            max_length=limits.DEBATE_ID_MAX_CHARS + len(USER),
            description="the need to sign for, of those the caller fulfils; without it the one that fewest fulfil",
        ),
    ] = ""
