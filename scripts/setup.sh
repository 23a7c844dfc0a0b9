#!/usr/bin/env bash
# Make .venv from the hashed lock files. Safe to run again and to interrupt: the stamp is written last.
set -euo pipefail
cd "$(dirname "$0")/.."

python=""
for candidate in "${PYTHON:-}" python3.11 python3 python3.12; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "ocr-ops needs Python 3.11 or 3.12; none was found. Install it, or name it: make setup PYTHON=/path/to/python3.11" >&2
  exit 1
fi

# A company's package mirror that pip is told about serves uv too.
if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$PIP_INDEX_URL; fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=$PWD/.venv

started=$SECONDS
rm -f .venv/.installed
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
  echo "making .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv || { echo "python -m venv failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
fi
.venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.bootstrap.lock
echo "installing $(grep -cE '^[a-z0-9]' requirements.lock) pinned packages (about 1.2 GB unpacked; the first time is mostly download)"
install=(.venv/bin/uv pip install --require-hashes --compile-bytecode -r requirements.lock -r requirements.bootstrap.lock)
if [ -t 2 ]; then "${install[@]}"; else "${install[@]}" 2>&1 | grep -v '^ [+~-] '; fi
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation -e . 2>/dev/null ||
  .venv/bin/uv pip install --quiet --no-deps -e .
touch .venv/.installed
echo "installed in $((SECONDS - started)) s"
