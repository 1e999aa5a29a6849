"""The receipt key: where it comes from, and that it never leaves its signer."""

from __future__ import annotations

import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aragora.errors import Misconfigured
from aragora.receipts.signing import Signer, load_signer, trusted_keys

SEED = "5e" * 32
LOAD = "import sys, pathlib; from aragora.receipts.signing import load_signer; print(load_signer(None, pathlib.Path(sys.argv[1])).key_id)"


def pem_of(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_the_key_file_is_created_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = load_signer(None, tmp_path)
    path = tmp_path / "keys" / "receipt_ed25519.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_signer(None, tmp_path).key_id == first.key_id
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".pem", ".pub"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    starting = [
        subprocess.Popen([sys.executable, "-c", LOAD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate(timeout=60)[0] for process in starting}) == 1


def test_the_setting_may_be_a_seed_or_a_pem_text(tmp_path: Path) -> None:
    pem = pem_of(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED)))
    from_seed = load_signer(SEED, tmp_path)
    assert load_signer(pem, tmp_path).key_id == from_seed.key_id
    assert load_signer(pem.replace("\n", "\\n"), tmp_path).key_id == from_seed.key_id
    assert not (tmp_path / "keys" / "receipt_ed25519.pem").exists()


def test_a_key_that_was_replaced_stays_trusted(tmp_path: Path) -> None:
    old, new = load_signer(None, tmp_path), load_signer(SEED, tmp_path)
    assert trusted_keys(tmp_path) == {old.public_key, new.public_key}


@pytest.mark.parametrize(
    "wrong", ["secret-but-wrong", "ab" * 31, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_wrong_key_is_refused_without_repeating_it(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(Misconfigured, match="ARAGORA_RECEIPT_SIGNING_KEY") as refused:
        load_signer(wrong, tmp_path)
    assert wrong not in str(refused.value)


def test_a_key_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(Misconfigured, match="Ed25519"):
        load_signer(other.decode(), tmp_path)


def test_a_directory_that_cannot_be_made_is_a_misconfiguration(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file is in the way")
    with pytest.raises(Misconfigured, match="writable"):
        load_signer(None, tmp_path)


def test_a_signer_gives_its_key_neither_to_repr_nor_to_pickle(signer: Signer) -> None:
    assert bytes(range(32)).hex() not in repr(signer)
    with pytest.raises(TypeError):
        pickle.dumps(signer)


def test_a_node_vouches_for_the_key_of_the_setting_and_for_earlier_ones_without_files(tmp_path: Path) -> None:
    new, old = Signer.from_seed(bytes(32)), Signer.from_seed(bytes(31) + b"1")
    assert trusted_keys(tmp_path, "00" * 32, (old.public_key, "no key")) == {new.public_key, old.public_key}
    assert not (tmp_path / "keys").exists()
