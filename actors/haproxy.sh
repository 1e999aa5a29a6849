#!/bin/sh
# Runs the bundled HAProxy as Ray Serve configures it, with five corrections:
# it takes requests on ARAGORA_HTTP_BIND where that is set, while Serve itself and its replicas stay on loopback;
# its metrics and statistics pages listen on loopback only; of two X-Request-ID headers in a response only the
# application's passes (Serve adds a second one, the caller's unchecked); the client's address travels in
# X-Forwarded-For, appended to what the client may have claimed; and it ends with the process that started
# it, so that a killed server leaves no proxy behind that holds the port.
config=""
previous=""
for argument in "$@"; do
  [ "$previous" = "-f" ] && config="$argument"
  previous="$argument"
done
if [ -n "$config" ] && [ -w "$config" ]; then
  sed -i -e 's/^\( *bind \):\([0-9]*\)$/\1127.0.0.1:\2/' -e 's/^\( *bind \)\*:\([0-9]*\)$/\1127.0.0.1:\2/' "$config"
  if [ -n "$ARAGORA_HTTP_BIND" ]; then
    sed -i "/^frontend http_frontend\$/,/^ *bind /s/^\( *bind \).*:\([0-9]*\)/\1$ARAGORA_HTTP_BIND:\2/" "$config"
  fi
  if ! grep -q 'option forwardfor' "$config"; then
    sed -i '/^frontend http_frontend$/a\    option forwardfor' "$config"
  fi
  if ! grep -q 'set-header X-Request-ID' "$config"; then
    sed -i '/^frontend http_frontend$/a\    http-response set-header X-Request-ID %[res.fhdr(x-request-id,1)] if { res.fhdr_cnt(x-request-id) gt 1 }' "$config"
  fi
fi
if command -v setpriv >/dev/null 2>&1; then
  exec setpriv --pdeathsig KILL "$ARAGORA_HAPROXY_BINARY" "$@"
fi
exec "$ARAGORA_HAPROXY_BINARY" "$@"
