"""What Ray and HAProxy are told before a local head starts. No Ray is started here."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from actors.cluster import asks_for_token, stay_on_this_machine


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_local_head_has_a_fresh_token_that_only_its_owner_reads(tmp_path: Path) -> None:
    token_file = tmp_path / "ray_token"
    token_file.write_text("of an earlier start")
    token_file.chmod(0o644)

    stay_on_this_machine(token_file)

    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(token_file)
    assert (len(token_file.read_text()), token_file.stat().st_mode & 0o777) == (64, 0o600)


def test_a_token_file_of_the_operators_own_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/etc/aragora/token")
    stay_on_this_machine(tmp_path / "ray_token")
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == "/etc/aragora/token"


class _Gcs(grpc.GenericRpcHandler):
    """Answers every call as Ray's GCS does: with what it is asked, or with a refusal."""

    def __init__(self, refusal: grpc.StatusCode | None) -> None:
        self._refusal = refusal

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(message: bytes, context: grpc.ServicerContext) -> bytes:
            if self._refusal is not None:
                context.abort(self._refusal, "refused")
            return message

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.mark.parametrize(("refusal", "asks"), [(None, False), (grpc.StatusCode.UNAUTHENTICATED, True)])
def test_a_cluster_asks_for_a_token_or_not(refusal: grpc.StatusCode | None, asks: bool) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=(_Gcs(refusal),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert asks_for_token(f"127.0.0.1:{port}") is asks
    finally:
        server.stop(None)


def test_a_cluster_that_fails_otherwise_is_no_answer() -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=(_Gcs(grpc.StatusCode.INTERNAL),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ConnectionError, match="INTERNAL"):
            asks_for_token(f"127.0.0.1:{port}")
    finally:
        server.stop(None)
