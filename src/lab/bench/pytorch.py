"""The same work in PyTorch, for `halflife bench`: reads requests, one JSON object a line, and answers each with one.

    {"kind": "step", "architecture": "gpt2", "layers": 4, …, "threads": 2, "precision": "fp32", "compile": false}
        forgets the work before, builds this and does two steps: {"torch": "2.15.0", "modes": {"eager": {"readyMs": 812.3}}, …}
    {"mode": "eager", "steps": 5}
        times so many steps: {"times": [42.1, …]}, in milliseconds

Modes are `eager` and, with "compile", `compiled` (torch.compile). The end of the input ends the process.
"""

import gc
import json
import math
import platform
import sys
import time

import torch
import torch._dynamo
import torch.nn as nn
import torch.nn.functional as F


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotate(x, cosines, sines):
    """x [B, H, T, D]; halves are rotated against each other, as in Hugging Face's LLaMA"""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines


class Attention(nn.Module):
    """Heads of keys and values may be fewer than those of queries. With `caches`, one token at `position`."""

    def __init__(self, job):
        super().__init__()
        self.heads, self.kv_heads = job["heads"], job.get("kvHeads", job["heads"])
        width, bias = job["width"], job.get("bias", False)
        self.head_width = width // self.heads
        self.split = [width, self.kv_heads * self.head_width, self.kv_heads * self.head_width]
        self.qkv = nn.Linear(width, sum(self.split), bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x, rotation, caches=None, position=None):
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, -1, self.head_width).transpose(1, 2) for part in self.qkv(x).split(self.split, dim=-1)
        )
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        grouped = self.kv_heads != self.heads
        if caches is None:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        else:
            keys, values = caches
            keys[:, :, position : position + 1], values[:, :, position : position + 1] = k, v
            seen = slice(0, position + 1)
            mixed = F.scaled_dot_product_attention(q, keys[:, :, seen], values[:, :, seen], enable_gqa=grouped)
        return self.out(mixed.transpose(1, 2).reshape(B, T, C))


class Gelu(nn.Module):
    def __init__(self, job):
        super().__init__()
        width, bias = job["width"], job.get("bias", False)
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class SwiGlu(nn.Module):
    def __init__(self, job):
        super().__init__()
        width, hidden = job["width"], job["feedForward"]
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


def make_norm(job):
    if job["architecture"] == "llama":
        return RmsNorm(job["width"], job["normEps"])
    return nn.LayerNorm(job["width"], bias=job["bias"])


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))"""

    def __init__(self, job):
        super().__init__()
        self.norm1, self.attention = make_norm(job), Attention(job)
        self.norm2, self.mlp = make_norm(job), (SwiGlu if job["architecture"] == "llama" else Gelu)(job)

    def forward(self, x, rotation, caches=None, position=None):
        x = x + self.attention(self.norm1(x), rotation, caches, position)
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    """GPT-2 (learned positions, tied output layer) or LLaMA (rotary positions, output layer of its own)."""

    def __init__(self, job):
        super().__init__()
        width, vocab = job["width"], job["vocab"]
        self.tokens = nn.Embedding(vocab, width)
        self.is_llama = job["architecture"] == "llama"
        if self.is_llama:
            self.head = nn.Linear(width, vocab, bias=False)
            half = width // job["heads"] // 2
            angles = torch.outer(torch.arange(job["context"]), job["ropeTheta"] ** (-torch.arange(half) / half))
            self.register_buffer("cosines", torch.cat((angles.cos(), angles.cos()), dim=-1))
            self.register_buffer("sines", torch.cat((angles.sin(), angles.sin()), dim=-1))
        else:
            self.positions = nn.Embedding(job["context"], width)
        self.blocks = nn.ModuleList(Block(job) for _ in range(job["layers"]))
        self.norm = make_norm(job)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                residual = name.endswith(("out.weight", "down.weight")) and not self.is_llama
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * job["layers"]) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def logits(self, ids, caches=None, position=0):
        time = slice(position, position + ids.shape[1])
        x = self.tokens(ids)
        rotation = (self.cosines[time], self.sines[time]) if self.is_llama else None
        if not self.is_llama:
            x = x + self.positions.weight[time]
        for layer, block in enumerate(self.blocks):
            x = block(x, rotation, None if caches is None else caches[layer], position)
        return F.linear(self.norm(x), self.head.weight if self.is_llama else self.tokens.weight)

    def forward(self, ids, targets):
        return F.cross_entropy(self.logits(ids).flatten(0, 1), targets.flatten(), ignore_index=-1)


def make_optimizer(model):
    """AdamW in one fused kernel; λ 0.1 on tensors of two or more dimensions, as nanoGPT."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.99), eps=1e-8, fused=True)


def training_step(job, autocast):
    """A batch copied in, forward, backward, clipping by the global norm, AdamW, gradients dropped."""
    model = Model(job)
    optimizer = make_optimizer(model)
    parameters = list(model.parameters())
    shape = (job["batch"], job["time"] + 1)

    def step(loss_of):
        tokens = torch.randint(job["vocab"], shape)
        with autocast():
            loss = loss_of(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return model, step, {"parameters": sum(p.numel() for p in parameters), "expectedLoss": math.log(job["vocab"])}


def adamw(job, _):
    model = Model(job)
    optimizer = make_optimizer(model)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) * 0.02
    return None, lambda _: optimizer.step(), {"parameters": sum(p.numel() for p in model.parameters())}


def decode(job, autocast):
    """The logits of one token at `position`; keys and values of all positions before it lie in memory."""
    model = Model(job).eval()
    shape = (1, job.get("kvHeads", job["heads"]), job["context"], job["width"] // job["heads"])
    caches = [(torch.randn(shape), torch.randn(shape)) for _ in range(job["layers"])]
    ids = torch.randint(job["vocab"], (1, 1))

    def step(logits_of):
        with torch.no_grad(), autocast():
            return logits_of(ids, caches, job["position"])

    return model.logits, step, {"parameters": sum(p.numel() for p in model.parameters())}


def matmul(job, _):
    """y = x·Wᵀ of a linear layer [m, k] -> [m, n], or the gradient of x or of W"""
    dtype = torch.bfloat16 if job["precision"] == "bf16" else torch.float32
    x, w, dy = (torch.randn(shape, dtype=dtype) for shape in ((job["m"], job["k"]), (job["n"], job["k"]), (job["m"], job["n"])))
    parts = {"forward": lambda: F.linear(x, w), "dx": lambda: dy @ w, "dw": lambda: dy.t() @ x}
    return None, lambda _: parts[job["part"]](), {}


def attention(job, _):
    """Causal, q, k, v cut from one product as in GPT-2; `backward` alone goes back through a forward pass done before"""
    dtype = torch.bfloat16 if job["precision"] == "bf16" else torch.float32
    B, T, H, D = (job[name] for name in ("batch", "time", "heads", "headWidth"))
    backward = job["part"] == "backward"
    packed = torch.randn(B, T, 3, H, D, dtype=dtype, requires_grad=backward)
    q, k, v = packed.permute(2, 0, 3, 1, 4)
    run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if not backward:
        return None, lambda _: run(), {}
    output = run()
    gradient = torch.randn_like(output)
    return None, lambda _: torch.autograd.grad(output, (q, k, v), gradient, retain_graph=True), {}


def layer_norm(job, _):
    rows, width = job["rows"], job["width"]
    backward = job["part"] == "backward"
    x = torch.randn(rows, width, requires_grad=backward)
    gain, bias = (torch.randn(width, requires_grad=backward) for _ in range(2))
    norm = lambda x, gain, bias: F.layer_norm(x, (width,), gain, bias)
    if not backward:
        return norm, lambda norm: norm(x, gain, bias), {}
    output = norm(x, gain, bias)
    gradient = torch.randn_like(output)
    return None, lambda _: torch.autograd.grad(output, (x, gain, bias), gradient, retain_graph=True), {}


def cross_entropy(job, autocast):
    """The output layer and the loss [rows, width] -> [rows, vocab] -> [], forward and both gradients"""
    x = torch.randn(job["rows"], job["width"], requires_grad=True)
    w = (torch.randn(job["vocab"], job["width"]) * 0.02).requires_grad_()
    targets = torch.randint(job["vocab"], (job["rows"],))

    def step(loss_of):
        with autocast():
            loss = loss_of(x, w, targets)
        return torch.autograd.grad(loss, (x, w))

    return lambda x, w, targets: F.cross_entropy(F.linear(x, w), targets), step, {}


KINDS = {
    "step": training_step,
    "adamw": adamw,
    "decode": decode,
    "matmul": matmul,
    "attention": attention,
    "layerNorm": layer_norm,
    "crossEntropy": cross_entropy,
}


def milliseconds(step):
    begin = time.perf_counter()
    result = step()
    return (time.perf_counter() - begin) * 1e3, result


def prepare(job):
    """The steps by mode, and what to answer. A mode that fails is left out with the reason."""
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1337)
    torch._dynamo.reset()  # or what was compiled for other sizes makes this be compiled for any
    gc.collect()
    autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=job["precision"] == "bf16")
    function, step, facts = KINDS[job["kind"]](job, autocast)
    steps, modes = {}, {}
    for mode in ["eager"] + (["compiled"] if job["compile"] and function is not None else []):
        try:
            used = function if mode == "eager" else torch.compile(function)
            ready, result = milliseconds(lambda: step(used))
            expected = facts.get("expectedLoss")
            if expected is not None and mode == "eager" and not abs(result.item() - expected) < 0.5:
                raise SystemExit(f"the first loss is {result.item()}, expected about {expected}")
            step(used)
            steps[mode], modes[mode] = (lambda used=used: step(used)), {"readyMs": ready}
        except Exception as error:  # a missing C++ compiler, above all
            if mode == "eager":
                raise
            modes[mode] = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    answer = {"torch": torch.__version__, "python": platform.python_version(), "threads": torch.get_num_threads()}
    return steps, {**answer, **facts, "modes": modes}


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever PyTorch prints is no answer

    def answer(document):
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "kind" in request:
            steps = {}
            steps, document = prepare(request)
            answer(document)
        else:
            step = steps[request["mode"]]
            answer({"times": [milliseconds(step)[0] for _ in range(request["steps"])]})


if __name__ == "__main__":
    main()
