"""What of a record is secret: a text is, unless its name is public and it does not look like a credential.

Whoever connects a service chooses the names of its settings, so no list of secret names is ever complete. The list here
is of what may be seen; whatever it does not name is kept and shown as a secret.

| A value | is secret where |
|---|---|
| none, "", true, false | never |
| a number, an object, a list | its name says so (`pin`, `credentials`) |
| a text, also in a list | its name says so, or is not public, or the text looks like a credential |
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from aragora.observability.redaction import Redactor

POLICY: Final = 2
"""Grows when more becomes secret: a store that was encrypted whole under an older policy may hold plaintext by this
one."""

SECRET_WORDS: Final = frozenset(
    {
        *("secret", "secrets", "password", "passwd", "passphrase", "token", "tokens", "credential", "credentials"),
        *("apikey", "authorization", "cookie", "dsn", "pass", "pwd", "pin", "otp", "jwt", "bearer"),
    }
)
SECRET_PAIRS: Final = frozenset(
    {
        *(("api", "key"), ("private", "key"), ("access", "key"), ("signing", "key"), ("service", "key")),
        *(("encryption", "key"), ("connection", "string"), ("webhook", "url"), ("auth", "header")),
    }
)
# These only speak of tokens: their kind, age or number.
HARMLESS_LAST_WORDS: Final = frozenset({"type", "expiry", "expires", "at", "in", "count", "uri"})

PUBLIC_WORDS: Final = frozenset(
    {
        *("id", "ids", "uuid", "slug", "name", "names", "title", "label", "labels", "description", "display", "tag"),
        *("tags", "type", "kind", "mode", "format", "version", "level", "priority", "severity", "status", "state"),
        *("enabled", "environment", "env", "region", "zone", "timezone", "locale", "language", "lang", "default"),
        *("channel", "channels", "room", "rooms", "topic", "topics", "queue", "event", "events", "template"),
        *("org", "organization", "organisation", "team", "teams", "group", "groups", "workspace", "tenant", "account"),
        *("project", "projects", "repository", "repo", "branch", "board", "issue", "user", "users", "username"),
        *("owner", "email", "sender", "host", "hostname", "port", "server", "domain", "database", "schema", "table"),
        *("collection", "bucket", "folder", "provider", "service", "product", "app", "application", "client", "bot"),
        *("connector", "scope", "scopes", "interval", "timeout", "limit", "size", "min", "max", "created", "updated"),
        *("at", "last", "sync", "synced", "schedule", "retries"),
    }
)
"""A name is public where each of its words is: `channel_id` is, `session_id` and `webhook_id` are not."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_. -]+")
_KNOWN_FORMS: Final = re.compile(
    r"\b(?:xox[a-z]-|xapp-|gh[oprsu]_|github_pat_|glpat-|A[KS]IA[0-9A-Z]{12}|SG\.|ya29\.|ara_|hf_|npm_|pypi-|dop_v1_"
    r"|shp(?:at|ss)_|[prs]k_(?:live|test)_|whsec_|lin_api_|ntn_)[A-Za-z0-9_-]*"
    r"|-----BEGIN |\b[0-9a-fA-F]{32,}\b"
)
_USER_IN_URL: Final = re.compile(r"://[^/?#\s]*@")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9+/=_]{20,}")
_REDACTOR: Final = Redactor()


def is_secret(name: str, value: Any) -> bool:
    """Whether `value` is secret under `name`; what stands in a list has the name of the list."""
    if holds_nothing(value):
        return False
    if says_secret(name):
        return True
    return isinstance(value, str) and (not is_public(name) or looks_like_a_credential(value))


def holds_nothing(value: Any) -> bool:
    """Whether the value is no secret under any name: none, "", true or false."""
    return value is None or value == "" or isinstance(value, bool)


def says_secret(name: str) -> bool:
    """Whether the name itself speaks of a secret, and not only of a secret's kind, age or number."""
    words = _words(name)
    if not words or words[-1] in HARMLESS_LAST_WORDS:
        return False
    pairs = itertools.pairwise(words)
    return any(word in SECRET_WORDS for word in words) or any(pair in SECRET_PAIRS for pair in pairs)


def is_public(name: str) -> bool:
    """Whether a text of this name may be seen."""
    words = _words(name)
    plain = _PLAIN_NAME.fullmatch(name) is not None  # a letter of another alphabet would be no word
    return plain and bool(words) and all(word in PUBLIC_WORDS or word.isdigit() for word in words)


def looks_like_a_credential(text: str) -> bool:
    """Whether a text has the form of a credential: a known kind of token, a key, a URL with a user in it, or one long
    word of small letters, capitals and digits."""
    return (
        _KNOWN_FORMS.search(text) is not None
        or _USER_IN_URL.search(text) is not None
        or any(_is_random(word) for word in _LONG_WORD.findall(text))
        or _REDACTOR.text(text) != text
    )


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_random(word: str) -> bool:
    return any(map(str.isdigit, word)) and any(map(str.islower, word)) and any(map(str.isupper, word))
