"""What keeps a server from starting, said before anything does: Ray without tokens, addresses and ports."""

from __future__ import annotations

import socket
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest

from aragora.composition.listening import Listening
from aragora.composition.preflight import close_to_others, refuse_other_ray, refuse_to_start
from aragora.config.settings import Settings, load_settings
from aragora.errors import Misconfigured
from aragora.free_ports import free_ports

SECRETS = {
    "ARAGORA_ENV": "production",
    "ARAGORA_API_TOKEN": "t" * 40,
    "ARAGORA_JWT_SECRET": "j" * 40,
    "ARAGORA_ENCRYPTION_KEY": "ab" * 32,
    "ARAGORA_ALLOWED_ORIGINS": "https://app.example.com",
}


@pytest.fixture(autouse=True)
def _no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)


def of(tmp_path: Path, **variables: str) -> Settings:
    return load_settings({**SECRETS, "ARAGORA_DATA_DIR": str(tmp_path), **variables})


def test_production_refuses_a_ray_without_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_other_ray(of(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(Misconfigured, match=r"RAY_AUTH_MODE is 'disabled'.*unset it"):
        refuse_other_ray(of(tmp_path))


def test_a_server_on_one_machine_leaves_a_cluster_to_the_command_that_serves_it(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="`aragora cluster deploy` serves"):
        refuse_other_ray(Settings(data_dir=tmp_path, ray_address="10.0.0.10:6380"))


def test_development_goes_on_without_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    refuse_other_ray(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "[::1]", "::", "[::]", "localhost"])
def test_every_form_of_an_address_is_probed_as_it_is_listened_on(tmp_path: Path, host: str) -> None:
    address = Listening.on(host).addresses[0]
    refuse_to_start(Settings(data_dir=tmp_path), host, free_ports(1))
    with socket.create_server((address, 0), family=AF_INET6 if ":" in address else AF_INET) as other:
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"^port {port} is in use: [^\n]*$"):
            refuse_to_start(Settings(data_dir=tmp_path), host, (port,))


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "no such host"])
def test_an_address_of_nobody_here_is_one_problem_among_others(tmp_path: Path, host: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        refuse_to_start(Settings(data_dir=tmp_path), host, (8080, 8080))
    first, second = refused.value.message.splitlines()
    assert first.startswith(f"--host {host}: not an address")
    assert "both want port 8080" in second


def test_a_start_says_in_one_line_what_it_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "users.db").touch()
    (tmp_path / "users.db").chmod(0o644)
    assert list(close_to_others(tmp_path)) == [f"closed to other users in {tmp_path}: 1 file or directory"]
    assert list(close_to_others(tmp_path)) == []


def test_a_wrong_agents_file_refuses_the_start_with_line_field_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "agents.toml").write_text("[agents.ann]\nprovider = 'local'\n")
    refuse_to_start(Settings(data_dir=tmp_path), "127.0.0.1", ())
    (tmp_path / "agents.toml").write_text("[agents.ann]\nprovider = 'locl'\nmodle = 'x'\n")
    with pytest.raises(Misconfigured) as caught:
        refuse_to_start(Settings(data_dir=tmp_path), "127.0.0.1", ())
    assert (
        "agents.toml line 3, agents.ann.modle: there is no such setting: choose from provider" in caught.value.message
    )
    (tmp_path / "agents.toml").unlink()
    with pytest.raises(Misconfigured, match="ARAGORA_AGENTS_FILE"):
        refuse_to_start(Settings(data_dir=tmp_path, agents_file=tmp_path / "none.toml"), "127.0.0.1", ())
