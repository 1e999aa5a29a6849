"""How a feature declares its routes: path, policy, what goes in and what comes out, each said once.

    debates: Chapter[DebatePorts] = Chapter("debates")

    @debates.get("/api/debates/{debate_id}", needs=DEBATES_READ, gives=DebateDetail)
    async def get(call: Call[DebatePorts], debate_id: DebateId) -> Response:
        record = await call.ports.reader.get(debate_id, call.reach)

- `needs` is a value of `aragora.identity.rbac` and has no default: a typo or an omission fails at import.
- The first parameter of a handler is its `Call`; FastAPI reads the others as it always does.
- The failures in the OpenAPI document follow from the declaration: 401, 429 and 503 from a policy, 403 from one that
  asks for a right, 422 from parameters or a body, 413 from a body, 404 from a path parameter. Others are named:
  `refuses=(409,)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, Final, Generic, Required, TypeAlias, TypedDict, TypeVar, Unpack

from fastapi import Depends, Request
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from aragora.identity import workspaces
from aragora.identity.parts import Visit
from aragora.identity.principal import Principal
from aragora.identity.rbac import Policy, PolicyKind
from aragora.scope import Scope
from aragora.server.authentication import Authenticator, Caller, facts_of
from aragora.server.failures import CALLER, REQUEST_ID
from aragora.server.ports import ServerConfig
from aragora.server.websocket_address import websocket_url

P = TypeVar("P")


@dataclass(frozen=True)
class Server:
    """What every route of one application is given, and the ports of each chapter. It stands in `app.state.server`."""

    config: ServerConfig
    authenticator: Authenticator
    ports: Mapping[Chapter[Any], Any]


class Call(Generic[P]):
    """One request at a route: who calls, from where, and the ports of the route's feature."""

    __slots__ = ("_server", "_who", "ports", "request")

    def __init__(self, request: Request, server: Server, ports: P, who: Principal | None) -> None:
        self.request = request
        self.ports = ports
        self._server = server
        self._who = who

    @property
    def who(self) -> Principal:
        """The proven caller. A route with the policy `public` has none and must not ask."""
        if self._who is None:
            raise RuntimeError(f"{self.request.url.path} is public: its caller has not shown who it is")
        return self._who

    @property
    def reach(self) -> Scope:
        """All that the caller may see: where an id is looked for."""
        return workspaces.reach_of(self.who)

    def within(self, workspace: str | None) -> Scope:
        """What a list or an export of the caller covers that names this workspace, or none (`workspaces.of`). Raises
        InvalidInput, Forbidden."""
        return workspaces.of(self.who, workspace)

    def require(self, policy: Policy) -> None:
        """Demand more than the route does, for some of what it is asked. Raises Forbidden."""
        self._server.authenticator.authorize(self.who, policy, self.request.scope["route"].path)

    @property
    def config(self) -> ServerConfig:
        return self._server.config

    @property
    def ws_url(self) -> str:
        """Where this caller reaches a WebSocket."""
        headers = self.request.headers
        origin = self._server.authenticator.origin(facts_of(self.request.scope))
        proxied_as = headers.get("x-forwarded-proto", "").strip().lower() if origin.by_proxy else None
        return websocket_url(self.config.ws_url, headers.get("host"), proxied_as)

    @property
    def visit(self) -> Visit:
        """Where the request comes from, for limits and the audit log."""
        address = self._server.authenticator.address(facts_of(self.request.scope))
        return Visit(address, self.request.scope.get(REQUEST_ID, ""))

    @property
    def caller(self) -> Caller:
        """The proven caller, for limits of what is held open."""
        return self._server.authenticator.caller(self.who, facts_of(self.request.scope))

    async def recognise(self) -> Principal | None:
        """Who calls a public route, or None where the request shows nothing. Raises Unauthenticated, RateLimited."""
        return await self._server.authenticator.recognise(facts_of(self.request.scope))


_READING: Final = ("GET", "HEAD")

Handler: TypeAlias = Callable[Concatenate[Call[P], ...], Awaitable[Response]]


class Declared(TypedDict, total=False):
    """What a route declares beside its path.

    Attributes:
        needs: the policy that its callers must pass.
        gives: the model of a good answer, or the class of an answer that is not JSON.
        status: of a good answer, where it is not 200.
        refuses: failures that do not follow from the rest of the declaration.
        missing: whether the path may name what does not exist; unless said, where it has a parameter.
        describes: further answers as OpenAPI writes them.
        tag: the heading in the OpenAPI document, where it is not the chapter's name.
    """

    needs: Required[Policy]
    gives: type[BaseModel | Response] | None
    status: int
    refuses: tuple[int, ...]
    missing: bool
    describes: Mapping[int, Mapping[str, Any]]
    tag: str


class Chapter(Generic[P]):
    """Routes of one feature, in the order in which they are matched. `name` is their heading in the OpenAPI document,
    which chapters may share; `described` False leaves them out of it."""

    def __init__(self, name: str, *, described: bool = True) -> None:
        self.name = name
        self.routes: list[GuardedRoute] = []
        self._described = described

    def get(self, path: str, **declared: Unpack[Declared]) -> Callable[[Handler[P]], Handler[P]]:
        return self._route("GET", path, declared)

    def post(self, path: str, **declared: Unpack[Declared]) -> Callable[[Handler[P]], Handler[P]]:
        return self._route("POST", path, declared)

    def put(self, path: str, **declared: Unpack[Declared]) -> Callable[[Handler[P]], Handler[P]]:
        return self._route("PUT", path, declared)

    def patch(self, path: str, **declared: Unpack[Declared]) -> Callable[[Handler[P]], Handler[P]]:
        return self._route("PATCH", path, declared)

    def delete(self, path: str, **declared: Unpack[Declared]) -> Callable[[Handler[P]], Handler[P]]:
        return self._route("DELETE", path, declared)

    def _route(self, method: str, path: str, declared: Declared) -> Callable[[Handler[P]], Handler[P]]:
        guard = Guard(self, declared["needs"], path)

        def add(handler: Handler[P]) -> Handler[P]:
            first = next(iter(inspect.signature(handler).parameters))
            # FastAPI reads annotations: so the call comes from the guard of this very route.
            handler.__annotations__[first] = Annotated[Call, Depends(guard, use_cache=False)]
            gives = declared.get("gives")
            model, answer = (None, gives) if gives and issubclass(gives, Response) else (gives, JSONResponse)
            route = GuardedRoute(
                path,
                handler,
                methods=[method],
                tags=[declared.get("tag", self.name)],
                status_code=declared.get("status"),
                response_model=model,
                response_class=answer,
                responses=_answers(path, handler, declared),
                include_in_schema=self._described,
            )
            route.policy = guard.policy
            self.routes.append(route)
            return handler

        return add


class GuardedRoute(APIRoute):
    """A route with the policy that its callers must pass."""

    policy: Policy


class Guard(Generic[P]):
    """Makes the `Call` of a route's handler, once its policy let the caller pass."""

    def __init__(self, chapter: Chapter[P], policy: Policy, path: str) -> None:
        self.policy = policy
        self._chapter = chapter
        self._path = path
        self._public = policy.kind is PolicyKind.PUBLIC

    async def __call__(self, request: Request) -> Call[P]:
        server: Server = request.app.state.server
        who = None
        if not self._public:
            who = await server.authenticator.authenticate(facts_of(request.scope))
            request.scope[CALLER] = who.user_id
            server.authenticator.authorize(who, self.policy, self._path)
        call = Call(request, server, server.ports[self._chapter], who)
        if who is not None and request.method not in _READING:
            await server.authenticator.witness(who, f"{request.method} {self._path}", request.url.path, call.visit)
        return call


# --- What the OpenAPI document says of failures ------------------------------------------------------------


class ErrorDetail(BaseModel):
    code: str
    message: str


class Failure(BaseModel):
    """Every failure of every route."""

    error: ErrorDetail
    request_id: str


_FAILURES: Final = {
    401: "the caller has not shown who it is",
    403: "the caller may not do this",
    404: "there is no such thing",
    409: "the state of the thing does not allow this",
    413: "the body is too large",
    422: "the input is wrong",
    429: "too many requests; Retry-After says when to come back",
    503: "not now; Retry-After says when to come back",
}


def _answers(path: str, handler: Callable[..., Any], declared: Declared) -> dict[int | str, dict[str, Any]]:
    """The answers of a route beside the good one."""
    kind = declared["needs"].kind
    takes = get_dependant(path=path, call=handler)
    statuses = set(declared.get("refuses", ()))
    if kind is not PolicyKind.PUBLIC:
        statuses |= {401, 429, 503}
    if kind in (PolicyKind.ADMIN, PolicyKind.PERMISSION):
        statuses.add(403)
    if declared.get("missing", bool(takes.path_params)):
        statuses.add(404)
    if takes.body_params:
        statuses |= {413, 422}
    if takes.path_params or takes.query_params or takes.header_params:
        statuses.add(422)
    failures: dict[int | str, dict[str, Any]] = {
        status: {"model": Failure, "description": _FAILURES[status]} for status in sorted(statuses)
    }
    return {**failures, **{status: dict(answer) for status, answer in declared.get("describes", {}).items()}}
