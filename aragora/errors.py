"""The one error taxonomy: a class says what the caller can do, the text what happened and the next step.

Every error that may reach a person derives from `AragoraError`. `code` is the snake_case code of the HTTP
error body, `status` the HTTP status it maps to; neither ever carries a secret or a stack.
"""

from __future__ import annotations

from typing import ClassVar


class AragoraError(Exception):
    """Base of all errors with a meaning for the caller.

    Args:
        message: what happened, to what, and what to do next.
        code: overrides the class's code where a finer one helps the caller.
        retry_after_s: seconds after which trying again makes sense, or None.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.code, self.retry_after_s))


def _rebuild(kind: type[AragoraError], message: str, code: str, retry_after_s: float | None) -> AragoraError:
    """Errors cross process borders; keyword-only arguments need this to survive pickling."""
    return kind(message, code=code, retry_after_s=retry_after_s)


class InvalidInput(AragoraError):
    """The input is wrong; sending the same again fails again."""

    status = 422
    default_code = "invalid_input"


class Unauthenticated(AragoraError):
    """The caller has not shown who it is."""

    status = 401
    default_code = "unauthenticated"


class Forbidden(AragoraError):
    """The caller is known but may not do this."""

    status = 403
    default_code = "forbidden"


class NotFound(AragoraError):
    """There is no such thing, or the caller may not know of it."""

    status = 404
    default_code = "not_found"


class Conflict(AragoraError):
    """The state of the thing does not allow this now."""

    status = 409
    default_code = "conflict"


class BudgetExhausted(Conflict):
    """The month's budget does not allow this; trying again helps once it renews, is raised, or others have ended."""

    default_code = "budget_exhausted"


class TooLarge(AragoraError):
    """The input is over its limit."""

    status = 413
    default_code = "too_large"


class RateLimited(AragoraError):
    """Too many requests; wait `retry_after_s`."""

    status = 429
    default_code = "rate_limited"


class Unavailable(AragoraError):
    """The server cannot do this now (starting, draining, full, a part is away); wait `retry_after_s`."""

    status = 503
    default_code = "unavailable"


class Misconfigured(AragoraError):
    """Settings keep the server from starting; the text names each problem and how to mend it."""

    status = 500
    default_code = "misconfigured"


class Fenced(AragoraError):
    """Another writer owns this journal now; the caller must drop its state and step down."""

    status = 503
    default_code = "fenced"
