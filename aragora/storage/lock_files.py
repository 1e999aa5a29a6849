"""Lock files of a data directory: what is missing is made, and belongs to whom the directory belongs.

So a command that root typed leaves no file that keeps the server's user out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from aragora.errors import Misconfigured


def open_lock_file(path: Path) -> TextIO:
    """The file, for reading and appending; the caller locks it, and closing it gives the lock back.

    Raises Misconfigured where it cannot be opened or made.
    """
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _give_to_owner_of_directory(path.parent)
        missing = not path.exists()
        file = path.open("a+", encoding="ascii", errors="replace")
        if missing:
            _give_to_owner_of_directory(path)
    except OSError as error:
        raise Misconfigured(
            f"{error.filename or path} cannot be opened ({error.strerror}): run this as the user of the server, or give "
            "the file to the user who runs it (chown)"
        ) from error
    return file


def _give_to_owner_of_directory(path: Path) -> None:
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
