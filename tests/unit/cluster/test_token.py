"""Ray's token: the same wherever the secrets are, in a closed file, and the operator's own before ours."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from aragora.cluster.token import TOKEN_PATH, derived_token, keep_token, operators_token, token_file, token_variables
from aragora.config.settings import Settings
from aragora.errors import Misconfigured

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=32, max_size=80)


def node(data_dir: Path = Path("data"), secret: str = "j" * 32) -> Settings:
    return Settings(data_dir=data_dir, jwt_secret=SecretStr(secret))


@given(SECRETS, SECRETS)
def test_two_nodes_have_one_token_exactly_where_they_have_one_secret(one: str, other: str) -> None:
    here, there = derived_token(node(Path("a"), one)), derived_token(node(Path("b"), other))
    assert (here == there) == (one == other)
    assert re.fullmatch("[0-9a-f]{64}", here)
    assert one not in here


def test_the_token_stays_the_same_from_release_to_release() -> None:
    """Nodes of two releases are in one cluster during an upgrade."""
    assert derived_token(node()) == "811d409c38d07f510c202985e9fee76d3ea83deb4fd5484b07f06ef1db6f125d"


def test_without_the_secret_there_is_none() -> None:
    with pytest.raises(Misconfigured, match="ARAGORA_JWT_SECRET"):
        derived_token(Settings())


def test_the_file_is_closed_to_others_and_kept_as_it_is(tmp_path: Path) -> None:
    variables = token_variables(node(tmp_path), {})
    file = Path(variables[TOKEN_PATH])
    assert file == token_file(node(tmp_path)) == tmp_path / "run" / "ray_token"
    assert file.read_text() == derived_token(node(tmp_path))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    before = file.stat()
    assert token_variables(node(tmp_path), variables) == variables
    assert file.stat() == before


@pytest.mark.parametrize("found", ["of an earlier start", "open to others", "a link"])
def test_what_is_not_our_closed_file_with_this_token_is_replaced(found: str, tmp_path: Path) -> None:
    file = tmp_path / "run" / "ray_token"
    file.parent.mkdir(mode=0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not to be written")
    if found == "a link":
        file.symlink_to(elsewhere)
    else:
        file.write_text("old" if found == "of an earlier start" else "t" * 64)
        file.chmod(0o600 if found == "of an earlier start" else 0o644)
    keep_token(file, "t" * 64)
    assert (file.read_text(), stat.S_IMODE(file.lstat().st_mode)) == ("t" * 64, 0o600)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert elsewhere.read_text() == "not to be written"
    assert list(file.parent.iterdir()) == [file]


def test_the_operators_own_token_stays_and_no_file_is_made(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("  of theirs \nsecond line\n")
    for environment in ({"RAY_AUTH_TOKEN": " of theirs "}, {TOKEN_PATH: str(theirs)}):
        assert token_variables(node(tmp_path), environment) == {}
        assert operators_token(node(tmp_path), environment) == "of theirs"
    assert not (tmp_path / "run").exists()
    assert operators_token(node(tmp_path), {"RAY_AUTH_TOKEN": "", TOKEN_PATH: ""}) is None


@pytest.mark.parametrize("content", [None, "", "\nsecond"])
def test_an_operators_file_that_holds_no_token_is_told(content: str | None, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    if content is not None:
        theirs.write_text(content)
    with pytest.raises(Misconfigured, match=str(theirs)):
        token_variables(node(tmp_path), {TOKEN_PATH: str(theirs)})


def test_a_directory_that_cannot_be_written_is_told_without_the_token(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file is in the way")
    with pytest.raises(Misconfigured, match="cannot be kept") as refused:
        token_variables(node(tmp_path), {})
    assert derived_token(node(tmp_path)) not in refused.value.message
