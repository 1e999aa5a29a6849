#!/bin/sh
# Runs the bundled HAProxy as Ray Serve configures it, with these corrections:
# - it listens where the server was told to (ARAGORA_HTTP_BIND, a list of HAProxy addresses; Serve knows one address and
#   takes IPv4 alone for "all"), its metrics and statistics pages on loopback only;
# - a client has 10 seconds for the header of a request, and a minute for anything else that is waited for;
# - of two X-Request-ID headers in a response only the application's passes (Serve adds a second one, the caller's
#   unchecked);
# - what a replica has left unanswered when it died is asked of another one where a repetition changes nothing (GET);
# - the client's address travels in X-Forwarded-For, appended to what the client may have claimed;
# - where no replica answers, clients get a 503 as the application would say it, and not Serve's 500 or 404 in text;
# - it ends with the process that started it, so that a killed server leaves no proxy behind that holds the port.
config=""
previous=""
for argument in "$@"; do
  [ "$previous" = "-f" ] && config="$argument"
  previous="$argument"
done
# What the ingress says while no replica answers.
away_body='{"error":{"code":"unavailable","message":"No server answers here now. Try again shortly."}}'
first_in_frontend() { # a line, once, after the bind line of Serve's frontend
  grep -qF "$1" "$config" || sed -i "/^frontend http_frontend\$/{n;a\\
    $1
}" "$config"
}
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
  # A node that has fallen silent acknowledges nothing: what was sent to its replica is given up after 4 s, and asked of
  # another one where it may be. It would be waited for until the application's own time is up.
  grep -q 'tcp-ut' "$config" || sed -i 's/^\( *server SERVE_REPLICA.*\)$/\1 tcp-ut 4s/' "$config"
  first_in_frontend 'option forwardfor'
  first_in_frontend 'http-request disable-l7-retry unless METH_GET'
  first_in_frontend 'http-response set-header X-Request-ID %[res.fhdr(x-request-id,1)] if { res.fhdr_cnt(x-request-id) gt 1 }'
  away="${config%/*}/away.http"
  printf 'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nRetry-After: 5\r\nContent-Length: %s\r\n\r\n%s' \
    "${#away_body}" "$away_body" >"$away"
  sed -i -e "s|^\( *errorfile 50[234] \).*|\1$away|" -e '/^backend default_backend$/{n;/return status 404/d' -e '}' "$config"
  # Replicas of other nodes know this one by its address, which a host with several would not always take. Its own
  # replica is at 127.0.0.1, so this is for IPv4.
  case "$ARAGORA_NODE_AT" in
    '' | *:*) ;;
    *) grep -q '^    source ' "$config" || sed -i "/^frontend prometheus\$/i\\
    source $ARAGORA_NODE_AT" "$config" ;;
  esac
fi
if command -v setpriv >/dev/null 2>&1; then
  exec setpriv --pdeathsig KILL "$ARAGORA_HAPROXY_BINARY" "$@"
fi
exec "$ARAGORA_HAPROXY_BINARY" "$@"
