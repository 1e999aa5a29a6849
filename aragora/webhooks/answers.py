"""What is kept of what a receiver answered, or of the error that came instead: a class, a line for people, and the
beginning of the body. All of it can be stored, and none of it holds the URL or what the request proved itself with: a
receiver may send back whatever it got.
"""

from __future__ import annotations

import codecs
import errno
import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import aiohttp
from yarl import URL

from aragora import texts
from aragora.observability.redaction import REDACTED
from aragora.webhooks.connections import HEAD_MAX_BYTES, Course, HeadTooLarge
from aragora.webhooks.model import Failure, Request
from aragora.webhooks.networks import Reason
from aragora.webhooks.resolver import Blocked, NoAddress
from aragora.webhooks.verification import CHALLENGE_HEADER

KEPT_BYTES: Final = 4_096
ENCODED: Final = "(the answer came compressed, which was not asked for; it is not shown)"
BLOCKED: Final = "the address is one that webhooks may not reach; nothing was sent"
_SHORTEST_SECRET: Final = 8  # characters; shorter parts of a request are words
_OPEN_HEADERS: Final = frozenset(
    {"accept", "content-type", "user-agent", "webhook-id", "webhook-timestamp", "x-webhook-delivery-id"}
    | {CHALLENGE_HEADER}  # it is sent to be sent back
)
_UNSTORABLE: Final = re.compile(f"[{texts.CONTROLS}{texts.HALVES}]")

_CERTIFICATE: Final = {  # codes of OpenSSL, x509_vfy.h
    9: "the certificate of the receiver is not valid yet",
    10: "the certificate of the receiver has expired",
    18: "the certificate of the receiver is self-signed",
    19: "the certificate of the receiver is signed by an authority that is not trusted",
    20: "the certificate of the receiver is signed by an unknown authority, or its chain is not sent whole",
    21: "the certificate of the receiver is signed by an unknown authority, or its chain is not sent whole",
    23: "the certificate of the receiver was revoked",
    62: "the certificate of the receiver is for another name",
    64: "the certificate of the receiver is for another address",
}
_ERRORS: Final = (
    (HeadTooLarge, Failure.PROTOCOL, f"the head of the answer is over {HEAD_MAX_BYTES:,} bytes"),
    (aiohttp.ClientHttpProxyError, Failure.CONNECT, "the proxy of this installation did not connect"),
    (aiohttp.ClientConnectionError, Failure.CONNECT, "the receiver closed the connection before it answered"),
    (OSError, Failure.CONNECT, "the receiver closed the connection before it answered"),
)
_NOT_HTTP: Final = (Failure.PROTOCOL, "what the receiver sent is not an answer of HTTP, or over its limits")
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL})
_HANDSHAKE: Final = {  # reasons of OpenSSL
    "UNSUPPORTED_PROTOCOL": "the receiver speaks only a version of TLS that is too old: 1.2 is the least",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the receiver speaks only a version of TLS that is too old: 1.2 is the least",
    "WRONG_VERSION_NUMBER": "the receiver does not speak TLS at this port",
    "HTTP_REQUEST": "the receiver does not speak TLS at this port",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the receiver wants a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the receiver does not accept the client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the receiver does not accept the client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the receiver does not accept the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the receiver says that the client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the receiver says that the client certificate was revoked",
}


def failure_of(error: BaseException, course: Course, timeout_s: float) -> tuple[Failure, str]:
    """The class of an error of a connection or of aiohttp, and its line."""
    for cause in _causes(error):
        match cause:
            case Blocked():
                return Failure.BLOCKED, BLOCKED
            case NoAddress():
                return Failure.NAME, str(cause)
            case ssl.SSLError() if not isinstance(cause, aiohttp.ClientError):  # whose own lack the details
                return Failure.TLS, _told_of_tls(cause)
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT, f"no answer within {timeout_s:g} s" if course.connected else "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure.CONNECT, _told_of_connection(error)
    return next(((failure, told) for kind, failure, told in _ERRORS if isinstance(error, kind)), _NOT_HTTP)


def blocked_reason(error: BaseException) -> Reason | None:
    """Why the guard refused, where it did: for the operator only."""
    return next((cause.reason for cause in _causes(error) if isinstance(cause, Blocked)), None)


def status_failure(code: int) -> tuple[Failure | None, str]:
    """Whether an answer with this code delivered, and its line."""
    try:
        told = f"answered {code} ({HTTPStatus(code).phrase})"
    except ValueError:
        told = f"answered {code}"
    match code // 100:
        case 2:
            return None, told
        case 3:
            return Failure.REDIRECT, f"{told}: no redirect is followed; register the address that it leads to"
        case 1:
            return Failure.PROTOCOL, f"{told}, which was not asked for"
    return Failure.STATUS, told


def text_of(course: Course, request: Request) -> str:
    """The beginning of an answer's body, without what cannot be stored or shown. It is never inflated: a few bytes
    may become gigabytes."""
    if course.response is None or not course.body:
        return ""
    encoding = course.response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        return ENCODED
    return shown(bytes(course.body), request, ended=course.body_ended)


def shown(body: bytes, request: Request, *, ended: bool) -> str:
    """At most `KEPT_BYTES` of a body that may hold anything, as UTF-8. Where it has not `ended` its last bytes may be
    the first of a character."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(body, final=ended)
    # Before it is cut: the first half of what is to be hidden would not be known.
    storable = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _hidden(text, request))
    return storable.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


def _hidden(text: str, request: Request) -> str:
    if len(text) < _SHORTEST_SECRET:
        return text
    for secret in sorted(_of_request(request), key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


def _of_request(request: Request) -> Iterator[str]:
    """What of a request may be secret and recognisable: the URL and its parts, and values of headers."""
    url = URL(request.url)
    parts = [request.url, str(url), url.raw_path_qs, url.raw_path]
    parts += [*url.raw_parts, *(value for value in url.query.values())]
    for name, value in request.headers.items():
        if name.lower() not in _OPEN_HEADERS:
            parts += [value, *re.split(r"[\s,;=]+", value)]
    for part in parts:
        if len(part) >= _SHORTEST_SECRET:
            yield part
            yield unquote(part)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    seen = 0
    while error is not None and seen < 10:  # none is that deep; a circle would be endless
        yield error
        error = error.__cause__
        seen += 1


def _told_of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "the certificate of the receiver is not accepted")
    return _HANDSHAKE.get(error.reason or "", "no connection by TLS came about")


def _told_of_connection(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy of this installation cannot be reached"
    if error.os_error.errno in _EXHAUSTED:
        return "this server has no socket left for a connection"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "the receiver refused the connection"
    if isinstance(error.os_error, ConnectionError):
        return "the receiver closed the connection at once"
    return "the receiver cannot be reached"
