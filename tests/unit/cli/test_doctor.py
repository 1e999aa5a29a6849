"""The doctor names what is wrong and how to mend it, and no secret."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from worlds.denied import unseen

from aragora.agents.agents_file import KEPT_NAME
from aragora.agents.causes import NO_CREDIT, UNKNOWN_MODEL, WRONG_KEY, remedy_of
from aragora.agents.declared import NOTHING
from aragora.agents.roster import Roster
from aragora.cli import doctor
from aragora.cli.main import main
from aragora.config.settings import load_settings

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("ARAGORA_", "DATABASE_URL", "KNOWLEDGE_MOUND_", "RAY_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(doctor, "PORTS", ())


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody answers on: bound, but not listening."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_machine_without_keys_can_debate_and_is_told_how_to_do_better(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--url", NOBODY, "--json"]) == 0
    findings = report(capsys)
    assert findings["agents"]["state"] == "warning"
    assert "ARAGORA_LOCAL_BASE_URL" in findings["agents"]["mend"]
    assert findings["data directory"]["state"] == "ok"
    assert findings["store"]["told"].startswith("SQLite in ")


def test_a_wrong_value_is_a_fault_that_names_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_LOG_LEVEL", "LOUD")
    assert main(["doctor", "--url", NOBODY]) == 2
    told = capsys.readouterr().out
    assert "ARAGORA_LOG_LEVEL" in told
    assert "1 wrong." in told


def test_production_without_secrets_is_a_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_ENV", "production")
    assert main(["doctor", "--url", NOBODY]) == 2
    told = capsys.readouterr().out
    assert "ARAGORA_JWT_SECRET" in told
    assert "ARAGORA_ENCRYPTION_KEY" in told


def test_what_cannot_be_reached_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:hunter2@127.0.0.1:{closed_port}/aragora")
    monkeypatch.setenv("ARAGORA_REDIS_URL", f"redis://:hunter2@127.0.0.1:{closed_port}")
    monkeypatch.setenv("ARAGORA_LOCAL_BASE_URL", f"http://127.0.0.1:{closed_port}/v1")
    monkeypatch.setenv("SUPABASE_URL", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    monkeypatch.setenv("ARAGORA_OPENAI_BASE_URL", f"http://127.0.0.1:{closed_port}/v1")
    assert main(["doctor", "--url", NOBODY, "--json"]) == 2
    told = capsys.readouterr().out
    assert "hunter2" not in told
    findings = {finding["subject"]: finding["state"] for finding in json.loads(told)}
    assert findings["store"] == "fault"
    assert findings["ARAGORA_REDIS_URL"] == "warning"
    assert findings["SUPABASE_URL"] == "warning"
    assert findings["ARAGORA_LOCAL_BASE_URL"] == "fault"
    assert findings["provider openai"] == "warning"


@pytest.mark.parametrize(
    ("variables", "state", "told"),
    [
        ({"ARAGORA_EMBEDDED_AGENTS": "false"}, "fault", "nobody can debate"),
        ({"ARAGORA_EMBEDDED_AGENTS": "false", "ARAGORA_STUB_AGENTS": "1"}, "fault", "only stub-1 is there"),
        ({"ARAGORA_EMBEDDED_AGENTS": "false", "ARAGORA_STUB_AGENTS": "3"}, "warning", "no model but stub agents"),
        ({"ARAGORA_STUB_AGENTS": "3"}, "warning", "no model but embedded and stub agents"),
        ({"ARAGORA_LOCAL_BASE_URL": "http://127.0.0.1:9/v1"}, "ok", "6 can debate"),
    ],
)
def test_who_can_debate_is_told_as_the_server_would_have_it(
    variables: dict[str, str],
    state: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    main(["doctor", "--url", NOBODY, "--json"])
    finding = report(capsys)["agents"]
    assert told in finding["told"]
    assert finding["state"] == state


def test_a_damaged_file_is_a_fault_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "debates.db").write_text("no database at all, but long enough to be looked at" * 100)
    assert main(["doctor", "--url", NOBODY, "--data-dir", str(tmp_path / "other"), "--json"]) == 2
    finding = report(capsys)["store"]
    assert finding["state"] == "fault"
    assert str(tmp_path / "other" / "debates.db") in finding["told"]
    assert "backup" in finding["mend"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "RAY_AUTH_MODE"),
        ({"RAY_ADDRESS": "127.0.0.1:9", "DATABASE_URL": "postgresql://h:1/d"}, "RAY_ADDRESS"),
    ],
)
def test_production_with_a_ray_that_the_start_refuses_is_a_fault(
    variables: dict[str, str], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {
        "ARAGORA_ENV": "production",
        "ARAGORA_API_TOKEN": "t" * 40,
        "ARAGORA_JWT_SECRET": "j" * 40,
        "ARAGORA_ENCRYPTION_KEY": "ab" * 32,
    }
    for name, value in (wanted | variables).items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--url", NOBODY, "--json"]) == 2
    finding = report(capsys)["Ray"]
    assert finding["state"] == "fault"
    assert named in finding["told"]


async def test_a_server_that_is_there_and_unwell_is_a_fault_among_the_others(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.store_away = True
    assert await type_command("doctor", "--url", server.url, "--json") == 2
    findings = report(capsys)
    assert findings["server"]["state"] == "fault"
    assert "store away" in findings["server"]["told"]
    assert findings["data directory"]["state"] == "ok"


@pytest.mark.parametrize("variable", ["DATABASE_URL", "ARAGORA_REDIS_URL"])
def test_an_unescaped_password_is_told_and_no_piece_of_it_shown(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = "redis" if "REDIS" in variable else "postgresql"
    monkeypatch.setenv(variable, f"{scheme}://me:hunter@2:sec/ret@127.0.0.1:1/aragora")
    assert main(["doctor", "--url", NOBODY]) == 2
    told = capsys.readouterr().out
    assert "percent-encode" in told
    assert not any(piece in told for piece in ("hunter", "sec/", "ret@"))


def test_a_full_disk_is_told_with_the_command_for_this_very_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "DISK_FLOOR_BYTES", 10**18)
    (found,) = [found for found in doctor.data_directory(tmp_path / "da ta") if found.subject == "disk"]
    assert f"--data-dir '{tmp_path}/da ta' --dry-run" in found.mend


async def test_a_local_server_is_asked_with_its_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any
) -> None:
    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer hunter2":
            raise web.HTTPUnauthorized
        return web.json_response({"data": [{"id": "small"}]})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    async with TestServer(app) as local:
        monkeypatch.setenv("ARAGORA_LOCAL_BASE_URL", str(local.make_url("/v1/")))
        states = []
        for key in ("hunter2", "wrong"):
            monkeypatch.setenv("ARAGORA_LOCAL_API_KEY", key)
            await type_command("doctor", "--url", NOBODY, "--json")
            states.append(report(capsys)["ARAGORA_LOCAL_BASE_URL"])
    assert [finding["state"] for finding in states] == ["ok", "fault"]
    assert states[0]["told"].endswith(": 1 model; small is asked")
    assert "answered 401" in states[1]["told"]
    assert "ARAGORA_LOCAL_API_KEY" in states[1]["mend"]


EMBEDDER = {"id": "text-embedding-nomic-v1.5"}


@pytest.mark.parametrize(
    ("answer", "state", "told", "mend"),
    [
        ('{"object": "list", "data": null}', "fault", "answers, but offers no model", "ollama pull"),
        ('{"object": "list", "data": []}', "fault", "answers, but offers no model", "ollama pull"),
        ('{"object": "list"}', "fault", "answers, but offers no model", "ollama pull"),
        ('{"data": [null, {}, {"id": null}, {"id": 7}]}', "fault", "answers, but offers no model", "ollama pull"),
        (
            json.dumps({"data": [EMBEDDER]}),
            "fault",
            "no model that can chat, only text-embedding-nomic-v1.5",
            "LOCAL_MODEL",
        ),
        (json.dumps({"data": [EMBEDDER, {"id": "qwen3:8b"}]}), "ok", "2 models; qwen3:8b is asked", ""),
        ("Ollama is running", "fault", "not as a server of models does", "/v1"),
        ("[]", "fault", "answers, but offers no model", "ollama pull"),
        (b"\xff\xfe", "fault", "not as a server of models does", "/v1"),
    ],
)
async def test_a_local_server_is_told_by_what_it_offers(
    answer: str | bytes,
    state: str,
    told: str,
    mend: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    type_command: Any,
) -> None:
    finding = await of_local_server(web.Response(body=answer), monkeypatch, capsys, type_command)
    assert finding["state"] == state
    assert told in finding["told"]
    assert mend in finding["mend"]
    assert "cannot be reached" not in finding["told"]


@pytest.mark.parametrize(
    ("status", "told", "mend"),
    [
        (401, "answered 401", "ARAGORA_LOCAL_API_KEY"),
        (402, "answered 402", "credit"),
        (404, "answered 404", "/v1"),
        (500, "answered 500", "log"),
    ],
)
async def test_a_local_server_that_refuses_is_told_with_the_remedy_of_the_cause(
    status: int,
    told: str,
    mend: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    type_command: Any,
) -> None:
    finding = await of_local_server(web.Response(text="no", status=status), monkeypatch, capsys, type_command)
    assert finding["state"] == "fault"
    assert told in finding["told"]
    assert mend in finding["mend"]


async def test_a_long_list_of_models_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any
) -> None:
    models = [{"id": f"model-{number}", "description": "x" * 1_000} for number in range(2_000)]
    offer = web.Response(text=json.dumps({"data": models}))
    finding = await of_local_server(offer, monkeypatch, capsys, type_command)
    assert finding["state"] == "ok"
    assert "2000 models; model-0 is asked" in finding["told"]


async def test_a_model_that_the_settings_name_is_taken_as_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any
) -> None:
    monkeypatch.setenv("ARAGORA_LOCAL_MODEL", "my-embed-and-chat")
    offer = web.Response(text=json.dumps({"data": [EMBEDDER]}))
    finding = await of_local_server(offer, monkeypatch, capsys, type_command)
    assert finding["state"] == "ok"
    assert "my-embed-and-chat is asked" in finding["told"]


async def of_local_server(
    answer: web.Response, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any
) -> dict[str, str]:
    """What the doctor finds where a local server gives this answer to GET /v1/models."""

    async def models(_request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/v1/models", models)
    async with TestServer(app) as local:
        monkeypatch.setenv("ARAGORA_LOCAL_BASE_URL", str(local.make_url("/v1")))
        await type_command("doctor", "--url", NOBODY, "--json")
    return report(capsys)["ARAGORA_LOCAL_BASE_URL"]


@pytest.mark.parametrize(("address", "warned"), [("http://8.8.8.8:9/v1", True), ("http://127.0.0.1:9/v1", False)])
def test_a_distant_server_whose_answers_count_as_free_is_a_warning(
    address: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_LOCAL_BASE_URL", address)
    settings = load_settings()
    found = {finding.subject: finding for finding in doctor.agents(settings, Roster(settings, NOTHING))}
    assert ("price" in found) == warned
    assert not warned or "agents.toml" in found["price"].mend


async def test_a_server_of_declared_agents_is_asked_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any, tmp_path: Path
) -> None:
    (tmp_path / "agents.toml").write_text("[agents.ada]\nprovider = 'local'\naddress = 'http://127.0.0.1:9/v1'\n")
    monkeypatch.setenv("ARAGORA_AGENTS_FILE", str(tmp_path / "agents.toml"))
    assert await type_command("doctor", "--url", NOBODY, "--json") == 0
    finding = report(capsys)["server of ada"]
    assert finding["state"] == "warning"
    assert "could not be reached" in finding["told"]
    assert "agents.toml" in finding["mend"]


async def test_a_wrong_key_of_a_provider_is_found_before_any_debate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_command: Any
) -> None:
    async def refused(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Incorrect API key provided: sk-hunter2"}}, status=401)

    app = web.Application()
    app.router.add_get("/v1/models", refused)
    async with TestServer(app) as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
        monkeypatch.setenv("ARAGORA_OPENAI_BASE_URL", str(provider.make_url("/v1")))
        await type_command("doctor", "--url", NOBODY, "--json")
    finding = report(capsys)["provider openai"]
    assert (finding["state"], finding["mend"]) == ("warning", "Check OPENAI_API_KEY, and start the server again.")
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize("wrong", [{}, {"ARAGORA_LOG_LEVEL": "LOUD"}])
def test_a_misspelt_setting_is_told_with_the_one_that_was_meant_and_not_its_value(
    wrong: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ARAGORA_OPENAI_API_KEY": "sk-hunter2", **wrong}.items():
        monkeypatch.setenv(name, value)
    main(["doctor", "--url", NOBODY])
    told = capsys.readouterr().out
    assert "ARAGORA_OPENAI_API_KEY is no setting, and has no effect" in told
    assert "Is OPENAI_API_KEY meant?" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("last_error", "mend"),
    [
        ("timeout: no answer within 30 s", "It recovers by itself after 60 s. If it does not: choose a faster model"),
        ("something else", "It recovers by itself after 60 s. If it does not: check the provider's key"),
        (None, "It recovers by itself after 60 s."),
    ],
)
async def test_an_open_breaker_is_told_with_the_remedy_of_its_cause(
    last_error: str | None, mend: str, server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.last_error = last_error
    await type_command("doctor", "--url", server.url, "--json")
    assert report(capsys)["agent ada"]["mend"].startswith(mend)


@pytest.mark.parametrize("code", [WRONG_KEY, NO_CREDIT, UNKNOWN_MODEL])
async def test_a_cause_that_only_a_person_can_end_promises_no_recovery(
    code: str, server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.cause = {"code": code, "message": "openai said no", "remedy": remedy_of(code)}
    await type_command("doctor", "--url", server.url, "--json")
    finding = report(capsys)["agent ada"]
    assert finding["state"] == "warning"
    assert "openai said no" in finding["told"]
    assert finding["mend"] == remedy_of(code)


def test_a_wrong_agents_file_is_a_fault_and_no_line_of_a_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agents.toml").write_text("[agents.ada]\nprovidr = 1\n")
    monkeypatch.setenv("ARAGORA_AGENTS_FILE", str(tmp_path / "agents.toml"))
    assert main(["doctor", "--url", NOBODY, "--json"]) == 2
    captured = capsys.readouterr()
    faults = [finding for finding in json.loads(captured.out) if finding["subject"] == "agents.toml"]
    assert faults
    assert all(str(tmp_path / "agents.toml") in fault["told"] for fault in faults)
    assert captured.err == ""


def test_the_examination_leaves_what_a_running_server_keeps_of_agents_toml(tmp_path: Path) -> None:
    """Typed in a shell without the server's ARAGORA_AGENTS_FILE, it sees no file."""
    kept = tmp_path / "data" / KEPT_NAME
    kept.parent.mkdir()
    kept.write_text("[agents.ada]\nprovider = 'local'\n")
    main(["doctor", "--url", NOBODY, "--json"])
    assert kept.read_text() == "[agents.ada]\nprovider = 'local'\n"


def test_a_declared_agent_that_lacks_its_key_is_told_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agents.toml").write_text("[agents.ada]\nprovider = 'local'\nkey_variable = 'NO_SUCH_KEY'\n")
    monkeypatch.setenv("ARAGORA_AGENTS_FILE", str(tmp_path / "agents.toml"))
    monkeypatch.setenv("ARAGORA_LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    main(["doctor", "--url", NOBODY, "--json"])
    finding = report(capsys)["agent ada"]
    assert finding["state"] == "warning"
    assert "NO_SUCH_KEY is not set" in finding["told"] + finding["mend"]


def test_a_data_directory_that_cannot_even_be_looked_at_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen(monkeypatch, tmp_path / "closed")
    assert main(["doctor", "--url", NOBODY, "--data-dir", str(tmp_path / "closed" / "data"), "--json"]) == 2
    findings = report(capsys)
    assert findings["store"]["state"] == "fault"
    assert "Permission denied" in findings["store"]["told"]


async def test_a_running_servers_open_breaker_is_a_warning(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("doctor", "--url", server.url, "--json") == 0
    findings = report(capsys)
    assert findings["server"]["state"] == "ok"
    assert findings["agent ada"]["state"] == "warning"


def test_a_data_directory_that_cannot_be_written_is_a_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", "/proc/aragora")
    assert main(["doctor", "--url", NOBODY, "--json"]) == 2
    assert report(capsys)["data directory"]["state"] == "fault"


async def test_a_port_in_use_is_a_fault_and_a_free_one_is_not(closed_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        findings = await doctor.server_and_ports(NOBODY, None, (taken,))
    assert [finding.state for finding in findings] == ["ok", "fault"]
    assert str(taken) in findings[1].mend
    assert f"(process {os.getpid()})" in findings[1].told


def test_files_that_other_users_can_open_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    assert "privacy" not in {found.subject for found in doctor.data_directory(data)}
    (data / "users.db").touch()
    (data / "users.db").chmod(0o644)

    main(["doctor", "--url", NOBODY, "--json"])

    found = report(capsys)["privacy"]
    assert (found["state"], "users.db" in found["told"], "chmod -R go=" in found["mend"]) == ("warning", True, True)


def test_a_variable_that_is_no_utf_8_is_a_finding_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "ARAGORA_AGENTS_FILE", "/tmp/\udcff")
    monkeypatch.setitem(os.environ, "ARAGORA_X\udcff", "1")
    assert main(["doctor", "--url", NOBODY, "--json"]) == 2
    findings = json.loads(capsys.readouterr().out)
    assert any("ARAGORA_AGENTS_FILE is not UTF-8" in finding["told"] for finding in findings)
    assert any("ARAGORA_X? is no setting" in finding["told"] for finding in findings)
