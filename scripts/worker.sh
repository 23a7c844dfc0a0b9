#!/usr/bin/env bash
# DeepSeek-OCR without Docker: one vLLM server on each GPU of this host, in an environment of its own. Ctrl-C stops them all.
#
#   make worker MODEL=deepseek-ai/DeepSeek-OCR-2 GPUS=0,1 PORT=8000
#
#   MODEL   a name on the hub, or a folder; unset: deepseek-ai/DeepSeek-OCR
#   GPUS    numbers as nvidia-smi gives them, comma separated; unset: all
#   PORT    of the first server, the next ones follow; unset: 8000
#   BIND    address to listen on; unset: 127.0.0.1. Any other needs VLLM_API_KEY
#   WORKER_VENV, WORKER_LOGS, PYTHON   where the environment and the logs go, and the Python to make it with
# What else docker/vllm/serve.sh reads is handed on, arguments too.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "worker: $*" >&2; }
die() { say "$*"; exit 2; }

export MODEL=${MODEL:-deepseek-ai/DeepSeek-OCR} BIND=${BIND:-127.0.0.1}
first_port=${PORT:-8000}
venv=${WORKER_VENV:-.venv-worker}
logs=${WORKER_LOGS:-var/worker}

# --- what this host has -------------------------------------------------------------------------------------------------

command -v nvidia-smi >/dev/null ||
  die "there is no nvidia-smi: this needs a host with an NVIDIA GPU and its driver. Without one, ocr-ops reads with its embedded engine"
seen=$(nvidia-smi --query-gpu=index,compute_cap,memory.total,name --format=csv,noheader,nounits 2>&1) ||
  die "nvidia-smi finds no usable GPU: $(head -n 1 <<<"$seen")"
[ -n "$seen" ] || die "nvidia-smi lists no GPU"

gpus=()
if [ "${GPUS:-all}" = all ]; then
  mapfile -t gpus < <(cut -d, -f1 <<<"$seen")
else
  IFS=, read -r -a gpus <<<"$GPUS"
fi
for gpu in "${gpus[@]}"; do
  line=$(grep -E "^$gpu," <<<"$seen") || die "there is no GPU $gpu here; nvidia-smi lists: $(cut -d, -f1 <<<"$seen" | paste -sd,)"
  IFS=, read -r _ capability memory name <<<"${line//, /,}"
  [ "${capability%%.*}" -ge 8 ] || die "GPU $gpu ($name) has no bfloat16, which the model needs: it takes an Ampere (A10, A100) or newer"
  [ "$memory" -ge 12000 ] || die "GPU $gpu ($name) has $memory MiB; weights, pictures and replies need 12,000 at least"
done

served=$(docker/vllm/serve.sh --check) || exit 2
probe=$BIND
[ "$probe" != 0.0.0.0 ] || probe=127.0.0.1
for i in "${!gpus[@]}"; do
  port=$((first_port + i))
  if (exec 3<>"/dev/tcp/$probe/$port") 2>/dev/null; then die "port $port is taken: name another with PORT=..."; fi
done

# --- the environment ----------------------------------------------------------------------------------------------------

make_environment() {
  local python="" candidate
  for candidate in "${PYTHON:-}" python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  [ -n "$python" ] || die "the worker needs Python 3.11 or 3.12; name one with PYTHON=/path/to/python3.12"
  # Only the extra, never the project: vLLM and Airflow want different numpys.
  local wanted stamp=$venv/.installed
  wanted=$("$python" -c 'import tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["worker"]))')
  if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$wanted" ]; then return; fi
  local headers
  headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -f "$headers/Python.h" ] ||
    die "there is no $headers/Python.h, which Triton compiles against at the first start. On Debian and Ubuntu: apt-get install python3-dev"
  command -v "${CC:-gcc}" >/dev/null || die "there is no C compiler, which Triton needs at the first start. On Debian and Ubuntu: apt-get install gcc"
  say "making $venv with $wanted (8 GB; some minutes)"
  rm -f "$stamp"
  "$python" -m venv "$venv" || die "python -m venv failed. On Debian and Ubuntu: apt-get install python3-venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.bootstrap.lock
  if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$PIP_INDEX_URL; fi
  "$venv/bin/uv" pip install --python "$venv/bin/python" --compile-bytecode -r <(echo "$wanted")
  [ -x "$venv/bin/vllm" ] || die "$wanted has no package for $(uname -m): use the Docker image, or a host with x86_64"
  echo "$wanted" >"$stamp"
}
make_environment
# ninja, which compiles kernels, lies there too.
PATH=$(cd "$venv/bin" && pwd):$PATH
export PATH

# --- the servers --------------------------------------------------------------------------------------------------------

pids=()
ready=()

start() {
  local i=$1
  say "GPU ${gpus[i]}: starting on port $((first_port + i)), log $logs/gpu${gpus[i]}.log"
  # A session of its own: Ctrl-C reaches this script alone, which then ends each server with all its processes.
  CUDA_VISIBLE_DEVICES=${gpus[i]} PORT=$((first_port + i)) \
    setsid docker/vllm/serve.sh "${arguments[@]}" >>"$logs/gpu${gpus[i]}.log" 2>&1 </dev/null &
  pids[i]=$!
  ready[i]=false
}

stop() {
  trap '' INT TERM
  local pid patience
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for ((patience = 0; patience < 150; patience++)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  wait
}

is_well() {
  python3 -S -c 'import sys, urllib.request as u
u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=3)' "http://$probe:$((first_port + $1))/health" 2>/dev/null
}

all_ready() {
  local i
  for i in "${!gpus[@]}"; do [ "${ready[i]}" = true ] || return 1; done
}

announce() {
  local i urls="" at=$BIND
  [ "$at" != 0.0.0.0 ] || at=$(hostname)
  for i in "${!gpus[@]}"; do urls+="${urls:+,}http://$at:$((first_port + i))/v1"; done
  say "ready after $((SECONDS - begun)) s. Where ocr-ops runs:"
  echo "export OCR_OPS_OCR_ENGINE=vllm"
  echo "export OCR_OPS_OCR_URLS=$urls"
  echo "export OCR_OPS_OCR_MODEL=$served"
  [ -z "${VLLM_API_KEY:-}${VLLM_API_KEY_FILE:-}" ] || say "and OCR_OPS_OCR_API_KEY with the same key"
}

look_at() {
  local i=$1
  if ! kill -0 "${pids[i]}" 2>/dev/null; then
    if [ "${ready[i]}" = false ] && ! $announced; then
      say "GPU ${gpus[i]}: the server ended before it was ready. The end of $logs/gpu${gpus[i]}.log:"
      tail -n 20 "$logs/gpu${gpus[i]}.log" >&2
      exit 1
    fi
    say "GPU ${gpus[i]}: the server ended; starting it again"
    kill -KILL -- "-${pids[i]}" 2>/dev/null || true
    start "$i"
  elif [ "${ready[i]}" = false ] && is_well "$i"; then
    ready[i]=true
    say "GPU ${gpus[i]}: ready"
  fi
}

arguments=("$@")
announced=false
begun=$SECONDS
mkdir -p "$logs"
trap stop EXIT
trap 'say "stopping"; exit 0' INT TERM
for i in "${!gpus[@]}"; do
  : >"$logs/gpu${gpus[i]}.log"
  start "$i"
done
while true; do
  for i in "${!gpus[@]}"; do look_at "$i"; done
  if ! $announced && all_ready; then
    announced=true
    announce
  fi
  sleep 2 &
  wait $! || true
done
