"""Times PyTorch on the training step that halflife compiles: the model and step of nanoGPT, written anew for this file.

    python3 -m venv /tmp/torchenv && /tmp/torchenv/bin/pip install numpy torch
    /tmp/torchenv/bin/python bench/pytorch/nanogpt.py --layers 4 --heads 4 --width 128 --context 64 --batch 12 --vocab 65

A step is: a batch of random tokens copied in, forward, backward, clipping by the global norm, AdamW with decay on
tensors of two or more dimensions, gradients dropped. Dropout is 0. Prints one JSON line; times are in milliseconds.
The reader interleaves runs of this file with runs of the program it is compared with, on the same cores.
"""

import argparse
import json
import math
import platform
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))"""

    def __init__(self, options):
        super().__init__()
        width, bias = options.width, options.bias
        self.heads, self.gelu = options.heads, options.gelu
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate=self.gelu))


class Gpt(nn.Module):
    def __init__(self, options):
        super().__init__()
        width, bias = options.width, options.bias
        self.tokens = nn.Embedding(options.vocab, width)
        self.positions = nn.Embedding(options.context, width)
        self.blocks = nn.ModuleList(Block(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(width, bias=bias)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * options.layers) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def make_optimizer(model):
    """AdamW, fused into one kernel where this PyTorch has that for the CPU (2.4 and later)."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    settings = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8}
    try:
        return torch.optim.AdamW(groups, fused=True, **settings), True
    except (RuntimeError, TypeError):
        return torch.optim.AdamW(groups, **settings), False


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--batch", type=int, default=12, help="sequences per step")
    parser.add_argument("--vocab", type=int, default=65)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="timed steps")
    parser.add_argument("--warmup", type=int, default=20, help="steps before the clock, compilation among them")
    parser.add_argument("--bias", action="store_true", help="biases in linear layers and layer norms")
    parser.add_argument("--gelu", choices=["none", "tanh"], default="none", help="none: exact, as nanoGPT; tanh: GPT-2's form")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="bfloat16: autocast")
    parser.add_argument("--seed", type=int, default=1337)
    options = parser.parse_args()
    for name in ("layers", "heads", "width", "context", "batch", "vocab", "threads", "warmup"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}, expected at least 1")
    if options.steps < 2:
        parser.error(f"--steps is {options.steps}, expected at least 2: quartiles need two times")
    if options.width % options.heads:
        parser.error(f"--width {options.width} is not a multiple of --heads {options.heads}")
    return options


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = Gpt(options)
    optimizer, fused = make_optimizer(model)
    parameters = list(model.parameters())
    loss_of = torch.compile(model) if options.compile else model
    shape = (options.steps + options.warmup, options.batch, options.context + 1)
    data = torch.randint(options.vocab, shape)

    def step(tokens):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.dtype == "bfloat16"):
            loss = loss_of(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    started = time.perf_counter()
    first = step(data[0]).item()
    for index in range(1, options.warmup):
        step(data[index])
    warmup_seconds = time.perf_counter() - started

    times = []
    for index in range(options.warmup, options.warmup + options.steps):
        begin = time.perf_counter()
        loss = step(data[index])
        times.append((time.perf_counter() - begin) * 1e3)
    last = loss.item()
    if not (math.isfinite(last) and abs(first - math.log(options.vocab)) < 0.5):
        raise SystemExit(f"first loss {first}, last {last}: expected about ln {options.vocab} = {math.log(options.vocab)}")

    lower, median, upper = statistics.quantiles(times, n=4, method="inclusive")
    tokens = options.batch * options.context
    print(
        json.dumps(
            {
                "program": "pytorch",
                "torch": torch.__version__,
                "python": platform.python_version(),
                **vars(options),
                "threads": torch.get_num_threads(),
                "fusedAdamw": fused,
                "parameters": sum(p.numel() for p in parameters),
                "tokensPerStep": tokens,
                "medianStepMs": round(median, 3),
                "tokensPerSecond": round(tokens / median * 1e3, 1),
                "quartilesMs": [round(min(times), 3), round(lower, 3), round(median, 3), round(upper, 3), round(max(times), 3)],
                "warmupSeconds": round(warmup_seconds, 2),
                "firstLoss": first,
                "lastLoss": last,
            }
        )
    )


if __name__ == "__main__":
    main()
