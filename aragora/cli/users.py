"""`aragora users`: the operator's commands over accounts, straight on the store of the server's machine.

They need no login: whoever can write the store can do all of this. Each is in the audit log as `operator`, beside a
running server too, which heeds it within a second.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from aragora.cli.conventions import AsJson, DataDir, Yes, organisation, require_agreement
from aragora.cli.rendering.plain import plain
from aragora.cli.rendering.terminal import print_json
from aragora.composition.operator import AT_THE_MACHINE, Office, opened_office
from aragora.config.settings import Settings, settings_in
from aragora.encoding import to_plain
from aragora.errors import Conflict, InvalidInput
from aragora.identity.parts import Visit
from aragora.identity.people import OPERATOR, OWNER, People, Person
from aragora.identity.principal import Principal
from aragora.identity.store.users import User
from aragora.ids import LOCAL_ORG
from aragora.scope import DEFAULT_WORKSPACE
from aragora.texts import counted

T = TypeVar("T")
Change = Callable[[People, Principal, str, Visit], Awaitable[T]]
"""A method of `People` that changes one account: for whom, whose, and from where."""

users: Final = typer.Typer(
    help="List, make and change accounts, on the server's machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Named = Annotated[str, typer.Argument(metavar="USER", help="The account: its id or its address.")]
LastOwner = Annotated[bool, typer.Option("--last-owner", help="Also where the organisation then has no owner left.")]
Roles = Annotated[list[str], typer.Option("--role", help="A role; may be given several times.", metavar="ROLE")]
Workspaces = Annotated[
    list[str],
    typer.Option(
        "--workspace", help="Where the roles hold, * for everywhere; may be given several times.", metavar="NAME"
    ),
]
Org = Annotated[
    str, typer.Option("--org", help="The organisation of the account.", metavar="ORG", callback=organisation)
]


@users.command("list")
def listing(
    *,
    org: Annotated[str | None, typer.Option("--org", help="Only this organisation.", metavar="ORG")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of one page.")] = 100,
    after: Annotated[str, typer.Option(help="Where the page starts; each page ends with it.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List accounts in the order of their ids."""
    found = _at_the_office(data_dir, lambda it: it.people.page(OPERATOR, limit=limit, after=after, org_id=org))
    if as_json:
        print_json([_shown(user) for user in found])
        return
    for user in found:
        _say(_line(user))
    if len(found) == limit:
        _say(f"More: the same with --after {found[-1].user_id}")


@users.command()
def show(user: Named, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show an account with its open logins and keys."""
    person = _at_the_office(data_dir, lambda it: _person(it, user))
    if as_json:
        print_json(_detail(person))
        return
    for name, value in _detail(person).items():
        _say(f"{name:12} {', '.join(value) if isinstance(value, list | tuple) else value}")


@users.command()
def create(
    email: Annotated[str, typer.Argument(help="The address to log in with.")],
    *,
    role: Roles = ["member"],  # noqa: B006  typer copies it
    workspace: Workspaces = [DEFAULT_WORKSPACE],  # noqa: B006  typer copies it
    org: Org = LOCAL_ORG,
    name: Annotated[str, typer.Option(help="The person's name.")] = "-",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, without a question.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an account. The first one of a server is made with --role owner --role admin."""
    password = _password(from_stdin=password_stdin)
    by = replace(OPERATOR, org_id=org)
    made = _at_the_office(
        data_dir,
        lambda it: it.accounts.register(email, password, name, AT_THE_MACHINE, by=by, roles=role, workspaces=workspace),
    )
    _tell(made, f"{made.email} can log in as {', '.join(made.roles)}; its id is {made.user_id}.", as_json=as_json)


@users.command()
def invite(
    email: Annotated[str, typer.Argument(help="The address to invite.")],
    *,
    role: Roles = ["member"],  # noqa: B006  typer copies it
    workspace: Workspaces = [DEFAULT_WORKSPACE],  # noqa: B006  typer copies it
    org: Org = LOCAL_ORG,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Invite an address; prints the token, which is kept nowhere."""
    by = replace(OPERATOR, org_id=org)
    invitation, token = _at_the_office(
        data_dir, lambda it: it.invitations.invite(by, email, role, AT_THE_MACHINE, workspaces=workspace)
    )
    if as_json:
        print_json({"invitation_id": invitation.invitation_id, "token": token, "expires_at": invitation.expires_at})
        return
    _say(token)
    sys.stderr.write("Give this token to the person, for POST /api/invitations/accept. It works once, for 7 days.\n")


@users.command()
def disable(
    user: Named, *, yes: Yes = False, last_owner: LastOwner = False, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Lock somebody out. No login, no token, no key, no open connection holds any more."""

    def question(person: Person) -> str:
        _keep_owner(person, last_owner=last_owner)
        return f"Disable {person.user.email}?"

    changed = _agreed(data_dir, user, question, People.disable, yes=yes)
    _tell(changed, f"{changed.email} is disabled.", as_json=as_json)


@users.command()
def enable(user: Named, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let a disabled account log in again."""

    async def work(it: Office) -> User:
        return await it.people.enable(OPERATOR, await it.user_id(user), AT_THE_MACHINE)

    changed = _at_the_office(data_dir, work)
    _tell(changed, f"{changed.email} can log in again.", as_json=as_json)


@users.command()
def role(
    user: Named,
    roles: Annotated[list[str], typer.Argument(metavar="ROLE...", help="All roles that the account then has.")],
    *,
    yes: Yes = False,
    last_owner: LastOwner = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace the roles of an account."""

    def question(person: Person) -> str:
        if OWNER not in roles:
            _keep_owner(person, last_owner=last_owner)
        return f"Change {person.user.email} from {', '.join(person.user.roles)} to {', '.join(roles)}?"

    def change(people: People, who: Principal, user_id: str, visit: Visit) -> Awaitable[User]:
        return people.give_roles(who, user_id, roles, visit)

    changed = _agreed(data_dir, user, question, change, yes=yes)
    _tell(changed, f"{changed.email} is {', '.join(changed.roles)}.", as_json=as_json)


@users.command()
def workspaces(
    user: Named,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="All that the account may use; * for each.")],
    *,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace the workspaces of an account. Owners and administrators have all."""

    def question(person: Person) -> str:
        return f"Change {person.user.email} from {', '.join(person.user.workspaces)} to {', '.join(names)}?"

    def change(people: People, who: Principal, user_id: str, visit: Visit) -> Awaitable[User]:
        return people.give_workspaces(who, user_id, names, visit)

    changed = _agreed(data_dir, user, question, change, yes=yes)
    _tell(changed, f"{changed.email} may use {', '.join(changed.workspaces)}.", as_json=as_json)


@users.command()
def end_sessions(user: Named, *, yes: Yes = False, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """End all logins of an account. Those in which it acts as another end too."""

    def question(person: Person) -> str:
        return f"End {counted(person.sessions, 'login')} of {person.user.email}?"

    ended = _agreed(data_dir, user, question, People.end_sessions, yes=yes)
    _count("ended", ended, f"Ended {counted(ended, 'login')}.", as_json=as_json)


@users.command()
def revoke_keys(user: Named, *, yes: Yes = False, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Revoke all API keys of an account, for good."""

    def question(person: Person) -> str:
        return f"Revoke {counted(person.api_keys, 'API key')} of {person.user.email}?"

    revoked = _agreed(data_dir, user, question, People.revoke_keys, yes=yes)
    _count("revoked", revoked, f"Revoked {counted(revoked, 'API key')}.", as_json=as_json)


@users.command()
def reset_mfa(user: Named, *, yes: Yes = False, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Take away the second factor of an account. It ends all logins, and is for somebody who lost that factor."""

    def question(person: Person) -> str:
        return f"Take away the second factor of {person.user.email}?"

    reset = _agreed(data_dir, user, question, People.reset_factor, yes=yes)
    _count("reset", reset, "The second factor is gone." if reset else "There was no second factor.", as_json=as_json)


# --- What the commands share


def _at_the_office(data_dir: Path | None, work: Callable[[Office], Awaitable[T]]) -> T:
    async def run(settings: Settings) -> T:
        async with opened_office(settings) as office:
            return await work(office)

    return asyncio.run(run(settings_in(data_dir)))


def _agreed(data_dir: Path | None, named: str, question: Callable[[Person], str], change: Change[T], *, yes: bool) -> T:
    """Find an account, ask the operator the `question` about it, and change it where the answer is yes."""

    async def work(it: Office) -> T:
        person = await _person(it, named)
        require_agreement(question(person), yes=yes)
        return await change(it.people, OPERATOR, person.user.user_id, AT_THE_MACHINE)

    return _at_the_office(data_dir, work)


async def _person(office: Office, named: str) -> Person:
    return await office.people.get(OPERATOR, await office.user_id(named))


def _keep_owner(person: Person, *, last_owner: bool) -> None:
    if person.last_owner and not last_owner:
        raise Conflict(
            f"{person.user.email} is the last owner of {person.user.org_id}, which nobody could manage then; add"
            " --last-owner to do it all the same.",
            code="last_owner",
        )


def _password(*, from_stdin: bool) -> str:
    """Never an argument: those are in the list of processes and the history of the shell."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidInput("Nobody can be asked for the password here; add --password-stdin.")
    password = getpass("Password: ")
    if getpass("Again: ") != password:
        raise InvalidInput("The two passwords differ.")
    return password


def _tell(user: User, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_shown(user))
    else:
        _say(text)


def _count(name: str, value: int, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({name: value})
    else:
        _say(text)


def _shown(user: User) -> dict[str, object]:
    names = ("user_id", "email", "name", "org_id", "roles", "workspaces", "disabled", "mfa_enabled", "created_at")
    return {name: to_plain(getattr(user, name)) for name in names}


def _detail(person: Person) -> dict[str, object]:
    more = {"sessions": person.sessions, "api_keys": person.api_keys, "last_owner": person.last_owner}
    return {**_shown(person.user), **more}


def _line(user: User) -> str:
    state = "disabled" if user.disabled else "active"
    return f"{user.user_id}  {user.email}  {user.org_id}  {','.join(user.roles)}  {state}"


def _say(text: str) -> None:
    sys.stdout.write(f"{plain(text)}\n")
