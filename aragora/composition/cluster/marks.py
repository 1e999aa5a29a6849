"""What runs of the service on this process's cluster, by marks in the GCS's store: nothing, the ingress alone that
stands by, or all of it. A mark stands for a release with its settings.
"""

from __future__ import annotations

from typing import Final

DEPLOYED: Final = b"deployed"
STANDS_BY: Final = b"stands by"


def deployed() -> bytes | None:
    """The mark of what serves; None where nothing does."""
    return _of_running(DEPLOYED)


def stands_by() -> bytes | None:
    """The mark of the ingress that stands by; None where none does."""
    return _of_running(STANDS_BY)


def remember_deployed(mark: bytes) -> None:
    _put(DEPLOYED, mark)
    _delete(STANDS_BY)


def remember_standby(mark: bytes) -> None:
    _put(STANDS_BY, mark)
    _delete(DEPLOYED)


def leave_service() -> None:
    """What served stands by."""
    mark = deployed()
    if mark is not None:
        remember_standby(mark)


def forget() -> None:
    """Nothing runs any more."""
    _delete(DEPLOYED)
    _delete(STANDS_BY)


def _of_running(key: bytes) -> bytes | None:
    from ray import serve  # noqa: PLC0415
    from ray.experimental.internal_kv import _internal_kv_get  # noqa: PLC0415
    from ray.serve.schema import ApplicationStatus  # noqa: PLC0415

    from serve_app import APPLICATION  # noqa: PLC0415

    status = serve.status().applications.get(APPLICATION)
    if status is None or status.status not in (ApplicationStatus.RUNNING, ApplicationStatus.DEPLOYING):
        return None
    found: bytes | None = _internal_kv_get(key)
    return found


def _put(key: bytes, mark: bytes) -> None:
    from ray.experimental.internal_kv import _internal_kv_put  # noqa: PLC0415

    _internal_kv_put(key, mark)


def _delete(key: bytes) -> None:
    from ray.experimental.internal_kv import _internal_kv_del  # noqa: PLC0415

    _internal_kv_del(key)
