"""The address of a GCS: its host in either family, and whether something listens there."""

from __future__ import annotations

import socket

import pytest

from actors.gcs_address import host_of, reach


@pytest.mark.parametrize(("address", "host"), [("10.77.0.10:6380", "10.77.0.10"), ("[fd00::10]:6380", "fd00::10")])
def test_the_host_stands_without_brackets(address: str, host: str) -> None:
    assert host_of(address) == host


def test_what_listens_is_reached_and_what_does_not_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        reach(address, 30.0)
    with pytest.raises(OSError, match="refused"):
        reach(address, 30.0)
