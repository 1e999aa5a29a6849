#!/bin/sh
# Runs the bundled HAProxy as Ray Serve configures it, with these corrections:
# - it listens where the server was told to (ARAGORA_HTTP_BIND, a list of HAProxy addresses; Serve knows one address and
#   takes IPv4 alone for "all"), its metrics and statistics pages on loopback only;
# - a client has 10 seconds for the header of a request, and a minute for anything else that is waited for;
# - of two X-Request-ID headers in a response only the application's passes (Serve adds a second one, the caller's
#   unchecked);
# - the client's address travels in X-Forwarded-For, appended to what the client may have claimed;
# - it ends with the process that started it, so that a killed server leaves no proxy behind that holds the port.
# The time limits are those of the WebSocket port too: aragora/composition/websocket_port.py.
config=""
previous=""
for argument in "$@"; do
  [ "$previous" = "-f" ] && config="$argument"
  previous="$argument"
done
if [ -n "$config" ] && [ -w "$config" ]; then
  # Serve's frontend is followed by its bind line, which stays as it is where nothing else was said.
  if [ -n "$ARAGORA_HTTP_BIND" ]; then
    sed -i "/^frontend http_frontend\$/{n;s|^\( *bind \).*|\1$ARAGORA_HTTP_BIND|}" "$config"
  fi
  sed -i -e '/^frontend http_frontend$/{n;b' -e '}' -e 's/^\( *bind \)\*\{0,1\}:\([0-9]*\)$/\1127.0.0.1:\2/' "$config"
  if ! grep -q 'timeout http-request' "$config"; then
    sed -i -e 's/^\( *timeout client \).*/\160s/' -e '/^frontend prometheus$/i\
    timeout http-request 10s\
    timeout client-fin 30s\
    timeout tunnel 1h' "$config"
  fi
  if ! grep -q 'option forwardfor' "$config"; then
    sed -i '/^frontend http_frontend$/{n;a\    option forwardfor
}' "$config"
  fi
  if ! grep -q 'set-header X-Request-ID' "$config"; then
    sed -i '/^frontend http_frontend$/{n;a\    http-response set-header X-Request-ID %[res.fhdr(x-request-id,1)] if { res.fhdr_cnt(x-request-id) gt 1 }
}' "$config"
  fi
fi
if command -v setpriv >/dev/null 2>&1; then
  exec setpriv --pdeathsig KILL "$ARAGORA_HAPROXY_BINARY" "$@"
fi
exec "$ARAGORA_HAPROXY_BINARY" "$@"
