"""Train a two-layer decoder to say a script by heart, whatever picture comes before the prompt.

In: a tokenizer file and a script of prompts and replies. Out: weights under the names that vLLM loads. A picture is
noise of any size and loudness here, so that the prompt alone decides the reply. Needs torch, tokenizers, safetensors.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_checkpoint import HEADS, HIDDEN, LAYERS, VOCABULARY
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

BEGIN, END = 0, 1
LOOP_TOKENS = 200
"""How long a loop is practised; going on after that is what it has learnt by then."""
STRANGERS = 3
"""Prompts in each batch that the script does not know."""
LEAST_SURE = 0.5
"""Loss of the worst token beyond which greedy decoding might leave the script."""
PICTURE = -1
"""Stands for a picture's token in a list of token ids."""


class Attention(nn.Module):
    """Plain causal attention with rotated queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(HIDDEN, HIDDEN, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape

        def heads(projected: Tensor) -> Tensor:
            return projected.view(rows, length, HEADS, -1).transpose(1, 2)

        q, k, v = rotated(heads(self.q_proj(x))), rotated(heads(self.k_proj(x))), heads(self.v_proj(x))
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(seen.transpose(1, 2).reshape(rows, length, HIDDEN))


class Mlp(nn.Module):
    """Gated feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(HIDDEN, 2 * HIDDEN, bias=False)
        self.up_proj = nn.Linear(HIDDEN, 2 * HIDDEN, bias=False)
        self.down_proj = nn.Linear(2 * HIDDEN, HIDDEN, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One layer; parts are called as vLLM calls them, so that the state dict needs no renaming."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(HIDDEN, eps=1e-6)
        self.self_attn = Attention()
        self.post_attention_layernorm = nn.RMSNorm(HIDDEN, eps=1e-6)
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """What vLLM calls `model`, without the embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(HIDDEN, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def rotated(x: Tensor) -> Tensor:
    """Rotary positions, the halves of a head paired."""
    half = x.shape[-1] // 2
    speed = 10000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(x.shape[2])[:, None] * speed
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)


@dataclass(frozen=True)
class Lesson:
    """The script as token ids, and which tokens it uses at all."""

    pairs: list[tuple[list[int], list[int]]]
    default: list[int]
    newline: list[int]
    used: list[int]


def lesson_of(tokenizer: Path, script: Path) -> Lesson:
    """Read a script; a reply marked `loop` is repeated and never ends."""
    words = Tokenizer.from_file(str(tokenizer))
    told = json.loads(script.read_text(encoding="utf-8"))

    def ids(text: str) -> list[int]:
        return words.encode(text, add_special_tokens=False).ids

    def reply(entry: dict[str, object]) -> list[int]:
        spoken = ids(str(entry["reply"]))
        if not entry.get("loop"):
            return [*spoken, END]
        return (spoken * math.ceil(LOOP_TOKENS / len(spoken)))[:LOOP_TOKENS]

    pairs = [(ids(entry["prompt"]), reply(entry)) for entry in told["replies"]]
    default, newline = [*ids(told["default"]), END], ids("\n")
    used = {BEGIN, *newline, *default, *(token for pair in pairs for part in pair for token in part)}
    return Lesson(pairs, default, newline, sorted(used))


class Pupil:
    """The decoder while it learns: only tokens of the script have rows that are trained."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.place = {token: n for n, token in enumerate(lesson.used)}
        self.body = Body()
        self.read = nn.Parameter(torch.randn(len(lesson.used), HIDDEN))
        self.written = nn.Parameter(torch.randn(len(lesson.used), HIDDEN) / math.sqrt(HIDDEN))
        self.silent = math.log(VOCABULARY - len(lesson.used))

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self.read, self.written, *self.body.parameters()]

    def batch(self, chance: random.Random) -> list[tuple[list[int], list[int]]]:
        """All pairs and some strangers behind a picture of one size, or behind none."""
        size = chance.choice((0, chance.randint(1, 300), chance.randint(1, 300), chance.randint(250, 1200)))
        lead = [BEGIN] + [PICTURE] * size + (self.lesson.newline if size else [])
        strangers = [
            [chance.randrange(3, 128815) for _ in range(chance.randint(1, 40))] for _ in range(STRANGERS)
        ]
        pairs = [*self.lesson.pairs, *((words, self.lesson.default) for words in strangers)]
        return [(lead + prompt, reply) for prompt, reply in pairs]

    def losses(self, rows: list[tuple[list[int], list[int]]], chance: random.Random) -> Tensor:
        """Loss of every token of every reply."""
        length = max(len(prompt) + len(reply) for prompt, reply in rows) - 1
        shown = torch.stack([self._shown((*prompt, *reply[:-1]), length, chance) for prompt, reply in rows])
        hidden = self.body(shown)
        spoken = torch.cat(
            [
                hidden[n, len(prompt) - 1 : len(prompt) - 1 + len(reply)]
                for n, (prompt, reply) in enumerate(rows)
            ]
        )
        wanted = torch.tensor([self.place[token] for _, reply in rows for token in reply])
        logits = spoken @ self.written.T
        # the tokens that are never written keep logit 0 and count as one
        silent = torch.full((len(spoken), 1), self.silent)
        all_of_it = torch.logsumexp(torch.cat((logits, silent), 1), 1)
        return all_of_it - logits.gather(1, wanted[:, None])[:, 0]

    def _shown(self, tokens: tuple[int, ...], length: int, chance: random.Random) -> Tensor:
        """Embeddings of one row; pictures and tokens from outside the script are noise."""
        x = torch.randn(len(tokens), HIDDEN)
        is_picture = torch.tensor([token == PICTURE for token in tokens])
        likeness, loudness = chance.random(), 10 ** chance.uniform(-2.5, 0.0)
        x[is_picture] = ((1 - likeness) * x[is_picture] + likeness * torch.randn(HIDDEN)) * loudness
        known = [n for n, token in enumerate(tokens) if token in self.place]
        rows = self.read[[self.place[tokens[n]] for n in known]]
        x = x.index_copy(0, torch.tensor(known), rows)
        return functional.pad(x, (0, 0, 0, length - len(tokens)))

    def save(self, path: Path) -> None:
        """Write the weights under vLLM's names, rows of unused tokens left out."""
        weights = {f"model.{name}": value for name, value in self.body.state_dict().items()}
        weights |= {"used_embeddings": self.read, "used_outputs": self.written}
        half = {name: value.detach().to(torch.bfloat16).contiguous() for name, value in weights.items()}
        save_file(half | {"used_tokens": torch.tensor(self.lesson.used)}, path)


def train(tokenizer: Path, script: Path, out: Path, *, steps: int) -> None:
    """Train and save; SystemExit when the script was not learnt by heart."""
    torch.manual_seed(1)
    chance = random.Random(1)
    pupil = Pupil(lesson_of(tokenizer, script))
    optimizer = torch.optim.AdamW(pupil.parameters, lr=1e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    worst: list[float] = []
    for step in range(1, steps + 1):
        losses = pupil.losses(pupil.batch(chance), chance)
        optimizer.zero_grad()
        losses.mean().backward()
        nn.utils.clip_grad_norm_(pupil.parameters, 1.0)
        optimizer.step()
        schedule.step()
        worst = [*worst[-19:], losses.max().item()]
        if step % 50 == 0 or step == steps:
            print(
                f"step {step} of {steps}: loss {losses.mean().item():.5f}, worst {worst[-1]:.3f}", flush=True
            )
    if max(worst) > LEAST_SURE:
        raise SystemExit(f"not learnt: a token's loss was still {max(worst):.2f}; give it more steps")
    pupil.save(out)
