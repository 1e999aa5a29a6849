"""The quick look before the patterns finds every text in which one of them would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.observability import redaction
from aragora.observability.redaction import Redactor

SECRET = "Q7-hunter2-horse"
PIECES = st.sampled_from(
    [
        *(
            "Bearer ",
            "basic\t",
            "sk-",
            "gsk_",
            "whsec_",
            "whsk_",
            "WHSK_",
            "xai_",
            "pk_live_",
            "rk_test_",
            "AK-",
            "key-",
            "AIza",
            "eyJ",
            "?code=",
            "&key=",
        ),
        *(
            "password",
            "secret: ",
            "api-key=",
            "X-API-Key: ",
            "access_token",
            "refresh-token=",
            "a://",
            "x+y://u:",
            "@",
            ".",
        ),
        *("-----BEGIN RSA PRIVATE KEY-----", "abcdefgh0123456789", "=", ": ", " ", '"', "'", "\n", "\u017f", "\u212a"),
    ]
)
texts = st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join)


@given(texts)
def test_a_text_without_a_hint_is_one_that_no_pattern_would_change(text: str) -> None:
    by_patterns = text
    for pattern, replacement in redaction._CREDENTIALS:
        by_patterns = pattern.sub(replacement, by_patterns)
    assert Redactor().text(text) == by_patterns


@pytest.mark.parametrize("shown", range(len(SECRET) + 1))
def test_a_long_text_is_not_cut_within_a_configured_secret(shown: int) -> None:
    before = " " * (redaction.TEXT_CAP - shown)
    told = Redactor([SECRET]).text(f"{before}{SECRET} and more")
    assert SECRET[:1] not in told.replace(redaction.REDACTED, "")
    assert told.endswith(f"... ({len(before) + len(SECRET) + 9} characters)")
    assert len(told) <= redaction.TEXT_CAP + len(redaction.REDACTED) + 30


def test_many_names_of_fields_are_not_kept_for_ever() -> None:
    redactor = Redactor()
    entry = {f"field_{number}": "x" for number in range(5_000)} | {"password": "horse-battery"}
    assert redactor.mapping(entry)["password"] == redaction.REDACTED
    assert len(redactor._names) <= redaction._NAMES_KEPT
