"""What is an error message in the place of an answer, and what only begins like one."""

from __future__ import annotations

import pytest

from aragora.agents.reading.error_texts import is_error


@pytest.mark.parametrize(
    "text",
    [
        "Error: rate limit exceeded, please retry.",
        "Error: Could not generate",
        "ERROR: request timed out",
        "[ERROR] Something broke",
        "[ERROR] could not generate a response",
        "[error]: service unavailable",
        "(error: failed to call model gpt-x)",
        "RateLimitError: Too many requests",
        "Error 429: rate limit reached",
        "API Error: Internal server error",
        "An error: the model was not found",
        "Internal server error",
        "500 Internal Server Error",
        "429 Too Many Requests",
        "HTTP 503: Service Unavailable",
        "Rate limit exceeded. Please try again later.",
        "Request timed out.",
        "The server is currently overloaded, please try again later",
        "An error occurred while processing your request.",
        "Something went wrong. Please try again.",
        "Failed to generate response",
        "No response from model",
        "[object Object]",
    ],
)
def test_an_error_message_is_known(text: str) -> None:
    assert is_error(text)


@pytest.mark.parametrize(
    "text",
    [
        "Error handling should be central.",
        "Error budgets: use them, because they make the trade visible.",
        "Error: the premise is wrong, because both databases keep writes.",
        "Errors should never pass silently.",
        "[ERROR] is the right log level.",
        "Exception: weekends, when nobody is on call.",
        "Use PostgreSQL. An error occurred in the other benchmark.",
        "Rate limit exceeded errors call for backoff with jitter.",
        "Retry on 500, not on 404.",
        "Return 503 Service Unavailable with Retry-After.",
        "No response is better than a wrong one.",
        "Internal server error pages should show a request id, so that support can find the cause.",
        "Error: rate limit exceeded. " + "The clients should wait, and the server should say how long. " * 10,
        "",
    ],
)
def test_an_answer_about_errors_is_an_answer(text: str) -> None:
    assert not is_error(text)
