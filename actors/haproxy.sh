#!/bin/sh
# Runs the bundled HAProxy as Ray Serve configures it, with two corrections:
# its metrics and statistics pages listen on loopback only, and it ends with the process that started it, so that
# a killed server leaves no proxy behind that holds the port.
config=""
previous=""
for argument in "$@"; do
  [ "$previous" = "-f" ] && config="$argument"
  previous="$argument"
done
if [ -n "$config" ] && [ -w "$config" ]; then
  sed -i -e 's/^\( *bind \):\([0-9]*\)$/\1127.0.0.1:\2/' -e 's/^\( *bind \)\*:\([0-9]*\)$/\1127.0.0.1:\2/' "$config"
fi
if command -v setpriv >/dev/null 2>&1; then
  exec setpriv --pdeathsig KILL "$ARAGORA_HAPROXY_BINARY" "$@"
fi
exec "$ARAGORA_HAPROXY_BINARY" "$@"
