#!/bin/sh
# Unpack Debian packages into the directory $1, for tests of what they hold: nothing is installed and no service starts.
# The libraries they need come with them where this machine lacks them. Where packages are not to be had (another
# system, no network) this says so and succeeds; the tests that need them skip.
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
# The libraries that the packages in $@ need, those that these need and so on, but for what is installed.
missing_libraries() {
  dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p' | sort -u >known
  while [ $# -gt 0 ]; do
    apt-cache depends "$@" 2>>log | sed -n 's/^[ |]*\(Pre\)\{0,1\}Depends: \(lib[^:]*\).*/\2/p' |
      sort -u | comm -23 - known >found
    cat found
    sort -u -o known known found
    # Unquoted, here and below: every name is a word of its own.
    set -- $(cat found)
  done
}
fetch() { apt-get -q download "$@" $(missing_libraries "$@") >log 2>&1; }
if ! fetch "$@"; then
  # A new machine has no lists of packages yet, and only root may fetch them.
  if [ "$(id -u)" -ne 0 ] || ! apt-get -q update >log 2>&1 || ! fetch "$@"; then
    cat log >&2
    echo "aragora: $* cannot be fetched (as root once: apt-get update): their tests are skipped" >&2
    exit 0
  fi
fi
for package in *.deb; do dpkg -x "$package" "$directory"; done
