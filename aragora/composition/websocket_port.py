"""The second port: WebSocket clients on 8765 reach the same ingress as those of /ws on 8080.

Serve's HAProxy binds the addresses of one port, so a second instance of the same binary listens on the other and passes
everything on. It tells the client's address in X-Forwarded-For, and ends with the process that started it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from actors.cluster import HAPROXY_SCRIPT
from aragora.composition.listening import Listening, authority
from aragora.errors import Unavailable

LISTEN_S: Final = 15.0
POLL_S: Final = 0.02

# The time limits are those of actors/haproxy.sh. Its requests come from loopback, whatever the address that it asks:
# this machine's own proxies are believed who the client is.
_CONFIG: Final = """\
global
    nbthread 1
defaults
    mode http
    option forwardfor
    option http-server-close
    timeout connect 5s
    timeout http-request 10s
    timeout http-keep-alive 90s
    timeout client 60s
    timeout client-fin 30s
    timeout server 1h
    timeout tunnel 1h
frontend websocket
    bind {bind}
    default_backend ingress
backend ingress
    server ingress {target} source {source}
"""


class WebSocketPort:
    """Construct it to start it."""

    def __init__(self, directory: Path, listening: Listening, port: int, http_port: int) -> None:
        config = directory / "websocket.cfg"
        at = listening.reached_at
        config.write_text(
            _CONFIG.format(
                bind=listening.bind(port), target=authority(at, http_port), source=authority(listening.loopback, 0)
            )
        )
        self._address = (at, port)
        self._port = port
        self._process = subprocess.Popen(  # noqa: S603 - our own script on our own configuration
            [str(HAPROXY_SCRIPT), "-db", "-f", str(config)], env=os.environ, stdin=subprocess.DEVNULL
        )

    def await_listening(self) -> None:
        """Return once the port takes connections. Raises Unavailable where the proxy ends or takes too long."""
        deadline = time.monotonic() + LISTEN_S
        while True:
            self.check()
            try:
                socket.create_connection(self._address, timeout=1.0).close()
            except OSError:
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        f"the proxy of the WebSocket port {self._port} did not listen within {LISTEN_S:g} s"
                    ) from None
                time.sleep(POLL_S)
            else:
                return

    def check(self) -> None:
        """Raises Unavailable where the proxy has ended."""
        code = self._process.poll()
        if code is not None:
            raise Unavailable(f"the proxy of the WebSocket port {self._port} ended with code {code}")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
