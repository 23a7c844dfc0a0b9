"""vLLM plugin for servers of the live tests: vision towers of one layer, and the scripted decoder.

Real towers take 10 to 40 s a page on two cores. Everything else is vLLM's own: how pictures are cut and counted, HTTP,
scheduling, sampling, how tokens become text. It is copied beside a checkpoint and never imported by ocr_ops.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = {"depth": 1, "embed_dim": 64, "num_heads": 1, "global_attn_indexes": (), "window_size": 8}


def register() -> None:
    """Called by vLLM in each of its processes; the second call of a process does nothing."""
    from vllm.model_executor.model_loader.dummy_loader import DummyModelLoader

    if getattr(DummyModelLoader, "scripted", False):
        return
    shrink_towers()
    DummyModelLoader.scripted = True
    DummyModelLoader.load_weights = then_script(DummyModelLoader.load_weights)


def shrink_towers() -> None:
    """One layer instead of 12 and 24; output sizes stay."""
    import vllm.model_executor.models.deepencoder as first
    import vllm.model_executor.models.deepseek_ocr as ocr
    import vllm.model_executor.models.deepseek_ocr2 as ocr2

    whole_sam, whole_clip = first.ImageEncoderViT, ocr.CLIPVisionConfig
    whole_second = ocr2.build_qwen2_decoder_as_encoder

    def small_sam(**sizes: Any) -> Any:
        return whole_sam(**(sizes | SMALL))

    # deepencoder builds the tower of DeepSeek-OCR, deepseek_ocr2 its own
    first.ImageEncoderViT = small_sam
    ocr2.ImageEncoderViT = small_sam
    ocr.CLIPVisionConfig = lambda **sizes: whole_clip(**(sizes | {"num_hidden_layers": 1}))
    ocr2.build_qwen2_decoder_as_encoder = lambda: whole_second(decoder_layer=1)


def then_script(load_random: Callable[..., None]) -> Callable[..., None]:
    """Random weights first, then the decoder's own where the checkpoint has them."""

    def load_weights(loader: Any, model: Any, model_config: Any) -> None:
        load_random(loader, model, model_config)
        trained = Path(model_config.model) / "decoder.safetensors"
        if trained.is_file():
            model.language_model.load_weights(
                decoder_weights(trained, model_config.hf_text_config.vocab_size)
            )

    return load_weights


def decoder_weights(trained: Path, vocabulary: int) -> list[tuple[str, Any]]:
    """All weights of the decoder by vLLM's names; tokens that the script never uses get made-up rows."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(trained)
    used = weights.pop("used_tokens")
    read, written = weights.pop("used_embeddings"), weights.pop("used_outputs")
    made_up = torch.Generator().manual_seed(1)
    embeddings = torch.randn(vocabulary, read.shape[1], generator=made_up).to(read.dtype)
    embeddings[used] = read
    # logit 0 for every token that is never written: training reckons with exactly that
    outputs = torch.zeros(vocabulary, written.shape[1], dtype=written.dtype)
    outputs[used] = written
    weights |= {"model.embed_tokens.weight": embeddings, "lm_head.weight": outputs}
    return list(weights.items())
