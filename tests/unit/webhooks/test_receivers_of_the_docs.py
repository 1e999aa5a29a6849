"""The receivers that docs/webhooks.md shows are these files, and tell genuine requests from others."""

from __future__ import annotations

import base64
import json
import re
import runpy
import shutil
import subprocess
from contextlib import suppress
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
import standardwebhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from worlds.webhook_vectors import FOLDER, vectors

from aragora.webhooks.signing import standard_secret

PAGE = (FOLDER.parents[1] / "webhooks.md").read_text()
VECTORS = FOLDER / "vectors.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())
SHARED = [case for case in CASES if not case["secret"].startswith("whpk_")]  # it knows no signature v1a
BY_KEY = [case for case in CASES if case["secret"].startswith("whpk_")]
EXPECTED = [[case["genuine"], case["genuine_body"]] for case in CASES]
DEADLINE_S = 300.0  # the first build by Go takes the longest

NODE = """
import { readFileSync } from "node:fs";
const [receiver, cases] = process.argv.slice(-2);
const { verify, verifyBody } = await import(receiver);
const told = JSON.parse(readFileSync(cases, "utf8")).map(({ body, headers, secret, now }) => {
  const raw = Buffer.from(body);
  let genuine = true;
  try {
    const event = verify(raw, headers, secret, now);
    if (JSON.stringify(event) !== JSON.stringify(JSON.parse(body))) throw new TypeError("another event");
  } catch (error) {
    if (error.constructor !== Error) throw error;
    genuine = false;
  }
  return [genuine, verifyBody(raw, headers["x-webhook-signature"] ?? "", secret)];
});
console.log(JSON.stringify(told));
"""
GO = """
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"time"

	"receiver/webhooks"
)

type request struct {
	Body, Secret string
	Headers      map[string]string
	Now          int64
}

func main() {
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var cases []request
	if err := json.Unmarshal(raw, &cases); err != nil {
		panic(err)
	}
	told := [][2]bool{}
	for _, each := range cases {
		header := http.Header{}
		for name, value := range each.Headers {
			header.Set(name, value)
		}
		body := []byte(each.Body)
		err := webhooks.Verify(body, header, each.Secret, time.Unix(each.Now, 0))
		told = append(told, [2]bool{err == nil, webhooks.VerifyBody(body, header.Get("X-Webhook-Signature"), each.Secret)})
	}
	json.NewEncoder(os.Stdout).Encode(told)
}
"""


def test_the_stored_vectors_are_what_this_version_sends() -> None:
    assert vectors() == CASES
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert {True, False} == {case["genuine"] for case in CASES} == {case["genuine_body"] for case in CASES}


@pytest.mark.parametrize("case", SHARED, ids=[case["name"] for case in SHARED])
def test_a_public_library_tells_the_stored_vectors_apart(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class AtTheTimeOfTheCase(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(case["now"], tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", AtTheTimeOfTheCase)
    try:
        standardwebhooks.Webhook(standard_secret(case["secret"])).verify(case["body"], case["headers"])
    except (standardwebhooks.WebhookVerificationError, ValueError):  # ValueError: a signature that is no base64
        genuine = False
    else:
        genuine = True
    assert genuine is case["genuine"]


@pytest.mark.parametrize("case", BY_KEY, ids=[case["name"] for case in BY_KEY])
def test_the_stored_vectors_of_keys_are_told_apart_by_the_standard_alone(case: dict[str, Any]) -> None:
    """Standard Webhooks 1.0.0, written down anew: no part of this product, nor of the receivers, is used."""
    sent, stamp = case["headers"], case["headers"].get("webhook-timestamp", "")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(case["secret"][len("whpk_") :], validate=True))
    signed = f"{sent['webhook-id']}.{stamp}.{case['body']}".encode()
    genuine = stamp.isdecimal() and abs(case["now"] - int(stamp)) <= 300
    found = False
    for each in sent.get("webhook-signature", "").split(" "):
        version, _, encoded = each.partition(",")
        with suppress(InvalidSignature, ValueError):
            public.verify(base64.b64decode(encoded, validate=True), signed)
            found |= version == "v1a"
    assert (genuine and found) is case["genuine"]


@pytest.mark.parametrize("name", ["verify.py", "verify.mjs", "verify.go"])
def test_the_page_shows_the_file(name: str) -> None:
    shown = re.findall(rf"\]\(examples/webhooks/{re.escape(name)}\)[^`]*```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert shown == [(FOLDER / name).read_text()]


def test_the_receiver_in_python() -> None:
    receiver = runpy.run_path(str(FOLDER / "verify.py"))
    told = []
    for case in CASES:
        body = case["body"].encode()
        try:
            assert receiver["verify"](body, case["headers"], case["secret"], case["now"]) == json.loads(body)
        except ValueError:
            genuine = False
        else:
            genuine = True
        signature = case["headers"].get("x-webhook-signature", "")
        told.append([genuine, receiver["verify_body"](body, signature, case["secret"])])
    assert told == EXPECTED


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js; the stored vectors are checked above")
def test_the_receiver_in_javascript() -> None:
    receiver = (FOLDER / "verify.mjs").as_uri()
    assert answers("node", "--input-type=module", "--eval", NODE, "--", receiver, str(VECTORS)) == EXPECTED


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go; the stored vectors are checked above")
def test_the_receiver_in_go(tmp_path: Path) -> None:
    (tmp_path / "webhooks").mkdir()
    shutil.copy(FOLDER / "verify.go", tmp_path / "webhooks")
    (tmp_path / "go.mod").write_text("module receiver\n\ngo 1.20\n")
    (tmp_path / "main.go").write_text(GO)
    assert answers("go", "run", ".", str(VECTORS), cwd=tmp_path) == EXPECTED


def answers(*command: str, cwd: Path | None = None) -> Any:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
