#!/bin/sh
# Create the virtual environment $1 with the first Python on the path that is new enough, or say what is missing.
set -u
venv=$1
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  "$python" -m venv "$venv" && exit 0
  echo "aragora: '$python -m venv' failed. On Debian or Ubuntu: apt install python3-venv. Then run make again." >&2
  exit 1
done
echo "aragora: no Python 3.11 or newer found on PATH. Install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1
