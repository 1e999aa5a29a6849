"""E-mail addresses: the one form in which they are kept and compared, and what is no address. Pure.

Two spellings that look the same are the same address: composed and decomposed letters, full-width letters, capitals.
What cannot be seen, or turns the direction of the text, is in no address.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aragora import texts
from aragora.errors import InvalidInput

MAX_CHARS: Final = 254
NAME_MAX_CHARS: Final = 100
_FORM: Final = re.compile(r"[^\s@,;:<>\"()\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_UNSEEN_CATEGORIES: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
_UNSEEN: Final = re.compile(f"[{texts.IGNORABLE}{texts.JOINERS}{texts.SELECTORS}{texts.BLANK}]")


def normal_email(email: str) -> str:
    """The form in which addresses are kept and compared. Applying it twice changes nothing more."""
    # Lower case can open up a composition, hence twice; and a composition can hold a space, hence the strip at the end.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).lower()).strip()


def checked_email(email: str) -> str:
    """The address in its normal form. Raises InvalidInput where it is none, or holds what cannot be seen."""
    if any(unseen(char) for char in email.strip()):
        raise InvalidInput("This address has characters that cannot be seen; type it anew.", code="invalid_address")
    normal = normal_email(email)
    if len(normal) > MAX_CHARS or not _FORM.fullmatch(normal) or any(unseen(char) for char in normal):
        raise InvalidInput("This is not an e-mail address.", code="invalid_address")
    return normal


def domain_of(email: str) -> str:
    """What stands behind the @, in lower case."""
    return normal_email(email).rpartition("@")[2]


def shown_name(name: str) -> str:
    """A name from outside as it may be kept and shown: without what cannot be seen, in one line, `-` for none."""
    seen = "".join(" " if char.isspace() else "" if unseen(char) else char for char in name)
    return " ".join(seen.split())[:NAME_MAX_CHARS].strip() or "-"


def checked_name(name: str) -> str:
    """The name, where it is one of a person. Raises InvalidInput."""
    try:
        texts.line(name)
    except ValueError as error:
        raise InvalidInput(f"The name: {error}.") from None
    if not 1 <= len(name) <= NAME_MAX_CHARS:
        raise InvalidInput(f"A name has 1 to {NAME_MAX_CHARS} characters.")
    return name


def unseen(char: str) -> bool:
    """Whether a character shows nothing, or only changes how others are shown."""
    return unicodedata.category(char) in _UNSEEN_CATEGORIES or _UNSEEN.match(char) is not None
