"""What is known of agents before a debate, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aragora.cli.rendering.wrapping import wrapped

INDENT: Final = "  "


def team_in_words(plan: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an estimate on its suggested team; none where the request names its agents, and from a server of a
    version that suggests none."""
    team = plan.get("team")
    if team is None:
        return
    if team["suggested"]:
        yield "A team by the debates that ended here; name it with --agents, if you like:"
    elif team["why"]:
        yield from wrapped(f"No team is suggested: {team['why']}.", INDENT)
    for member in team["suggested"]:
        yield from wrapped(f"- {member['agent']}: {member['reason']}.", INDENT)


def known_in_words(plan: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an estimate on those who would debate; none from a server of a version that tells nothing."""
    known = plan.get("agents_known")
    if known is None:
        return
    unrated = [one["prior"] for one in known["ratings"]["agents"] if one["prior"] is not None]
    for one in unrated:
        if one["n"]:
            of = f"{one['of']} won {one['won']} of {one['n']} times, at least {one['low']:.2f}"
            yield from wrapped(f"{one['agent']} has no rating in this domain; {of}.", INDENT)
    if nameless := ", ".join(one["agent"] for one in unrated if not one["n"]):
        yield from wrapped(f"No rating in this domain, and no record of their models (n = 0): {nameless}.", INDENT)
    for one in known["changes"]["agents"]:
        if one["flips"]:
            of = f"{one['flips']} of {one['rounds']} rounds ({one['low']:.2g}..{one['high']:.2g})"
            yield from wrapped(f"{one['agent']} changes sides without new evidence in {of}.", INDENT)
    yield from _trickster(known["changes"].get("trickster"))


def _trickster(found: Mapping[str, Any] | None) -> Iterator[str]:
    """What there is to say of the Trickster where the protocol is not as would suit."""
    if found is not None and found["suits"] != found["planned"]:
        what = "A protocol with" if found["suits"] else "A protocol without"
        yield from wrapped(f"{what} the Trickster would suit: {found['reason']}.", INDENT)
