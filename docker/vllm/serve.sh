#!/usr/bin/env bash
# One vLLM server for DeepSeek-OCR or DeepSeek-OCR-2, on one GPU. The only place where its flags are written: the image and
# scripts/worker.sh both end here. Arguments are handed on to `vllm serve`, after ours, and so win over them. With --check alone it
# looks at what it was given, prints the name that clients will ask for, and starts nothing.
#
#   MODEL              a name on the hub, or a folder with config.json and *.safetensors
#   SERVED_NAME        the name clients ask for; unset: the hub name, for a folder what its config.json says it is
#   BIND, PORT         where to listen; unset: 127.0.0.1 and 8000
#   CONTEXT            tokens of picture, prompt and reply together; unset: 8192, what the models were made for
#   API_PROCESSES      processes that take requests and prepare pictures; unset: 4
#   VLLM_API_KEY       or VLLM_API_KEY_FILE: the key under /v1. Read by vLLM from the environment, so that `ps` shows none
set -euo pipefail

die() { echo "serve.sh: $*" >&2; exit 2; }

model=${MODEL:-}
[ -n "$model" ] || die "set MODEL, for instance MODEL=deepseek-ai/DeepSeek-OCR, or MODEL=/path/to/its/folder"

name_of_folder() {
  if grep -q '"DeepseekOCR2ForCausalLM"' "$1/config.json"; then echo deepseek-ai/DeepSeek-OCR-2
  elif grep -q '"DeepseekOCRForCausalLM"' "$1/config.json"; then echo deepseek-ai/DeepSeek-OCR
  else die "$1/config.json names neither DeepSeek-OCR nor DeepSeek-OCR-2: set SERVED_NAME to the name clients will ask for"; fi
}

is_folder=false
case $model in /* | ./* | ../*) is_folder=true ;; *) if [ -d "$model" ]; then is_folder=true; fi ;; esac
if $is_folder; then
  [ -f "$model/config.json" ] || die "there is no $model/config.json: MODEL must be a folder with a model's files, or a hub name"
  compgen -G "$model/*.safetensors" >/dev/null || die "there is no $model/*.safetensors: the weights are missing"
  name=${SERVED_NAME:-$(name_of_folder "$model")}
  # Everything is here: asking the hub could only hang.
  export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
else
  name=${SERVED_NAME:-$model}
fi

if [ -n "${VLLM_API_KEY_FILE:-}" ]; then
  [ -r "$VLLM_API_KEY_FILE" ] || die "VLLM_API_KEY_FILE=$VLLM_API_KEY_FILE cannot be read"
  VLLM_API_KEY=$(<"$VLLM_API_KEY_FILE")
  export VLLM_API_KEY
fi
host=${BIND:-127.0.0.1}
case $host in
  127.* | localhost | ::1) ;;
  *) [ -n "${VLLM_API_KEY:-}" ] || die "BIND=$host is reachable from elsewhere: set VLLM_API_KEY (or VLLM_API_KEY_FILE)" ;;
esac
# An empty key would count as one that everybody knows.
[ -n "${VLLM_API_KEY:-}" ] || unset VLLM_API_KEY

if [ "${1:-}" = --check ]; then
  echo "$name"
  exit 0
fi

# No report of what is run here to the makers of vLLM.
export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
# FlashInfer's sampler is compiled at the first request that needs it, with nvcc; replies at temperature 0 never do.
export VLLM_USE_FLASHINFER_SAMPLER=${VLLM_USE_FLASHINFER_SAMPLER:-0}

flags=(
  --served-model-name "$name"
  --host "$host" --port "${PORT:-8000}"

  # The weights are bfloat16. GPUs without it (T4, V100) read worse or not at all.
  --dtype bfloat16
  # Beyond it the server cuts replies off without a word; the client counts with the number that /v1/models gives.
  --max-model-len "${CONTEXT:-8192}"

  # Lets a request forbid repeats (vllm_xargs). Costs nothing until asked for, then 40 % of a GPU: only retries ask.
  --logits-processors vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor

  # No two pages begin alike and no page comes twice: caches would only take memory. Prefix caching has also led to loops of dots.
  --no-enable-prefix-caching
  --mm-processor-cache-gb 0

  # One process prepares at most 12 A4 pages or 16 receipts a second and then holds the GPU up; four gave 15 to 20 % more receipts, and at 256
  # requests in flight the first token after 0.4 s in place of 10.8. More than one thread each needs the cache above to be off.
  --api-server-count "${API_PROCESSES:-4}"
  --renderer-num-workers 4

  # One page a request is what the client sends; more would only be a way to fill the memory.
  --limit-mm-per-prompt '{"image": 1}'
  # Each API process refuses (503) what is beyond this, and the client asks another server. 256 in flight is the most that
  # was measured; a page under way holds some 20 MB of pixels.
  --max-num-queued-reqs 128
  # Pictures come with the request. Without this flag whoever has the key can make the server fetch any address it can reach.
  --allowed-media-domains none.invalid

  # Asked every few seconds by clients and health checks.
  --disable-access-log-for-endpoints '/health,/metrics'
)
# Left out on purpose: --trust-request-mm-kwargs (one such request ended the server with everything in it), --trust-remote-code (vLLM has
# both models itself), shared-memory tensors and encoder CUDA graphs (equal or slower, 17 GiB), --tensor-parallel-size (a
# model of 6.2 GiB is better run once on each GPU).

exec vllm serve "$model" "${flags[@]}" "$@"
