#!/bin/sh
# Unpack Debian packages into the directory $1, for tests of what they hold: nothing is installed and no service starts.
# Where they are not to be had (another system, no network) this says so and succeeds; the tests that need them skip.
set -eu
directory=$1
shift
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "aragora: no Debian here: tests of $* are skipped, unless they are installed" >&2
  exit 0
fi
mkdir -p "$directory"
packed=$(mktemp -d)
trap 'rm -rf "$packed"' EXIT
directory=$(cd "$directory" && pwd)
cd "$packed"
fetch() { apt-get -q download "$@" >log 2>&1; }
if ! fetch "$@"; then
  # A new machine has no lists of packages yet, and only root may fetch them.
  if [ "$(id -u)" -ne 0 ] || ! apt-get -q update >log 2>&1 || ! fetch "$@"; then
    cat log >&2
    echo "aragora: $* cannot be fetched (as root once: apt-get update): their tests are skipped" >&2
    exit 0
  fi
fi
for package in *.deb; do dpkg -x "$package" "$directory"; done
