"""Writes gpt2.json beside this file: a tiny GPT-2 trained by PyTorch in float64, for reference/gpt.ts to match.

    python3 -m venv /tmp/torchenv && /tmp/torchenv/bin/pip install numpy torch
    /tmp/torchenv/bin/python test/golden/gpt2.py

The model is written here with plain torch functions; gradients are autograd's, the optimizer is torch.optim.AdamW and
the clipping torch.nn.utils.clip_grad_norm_. Nothing of the project is used, so that nothing can be wrong twice.

Per case: the configuration, the initial weights (rounded to four decimals to keep the file small), two batches, for
each batch logits and loss, every gradient of batch 0 by name, then 20 training steps that take the batches in turn
(loss before each update, gradient norm before clipping) and the norm of each final weight. Arrays are flat, row-major.
"""

import json
import math
import os

import torch
import torch.nn.functional as F

IGNORED_TARGET = -1
STEPS = 20
BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
CLIP_NORM = 1.0


def learning_rates():
    """Linear warm-up over 4 steps to 1e-2, then a cosine to 1e-3 at the last step."""
    warmup, peak, floor = 4, 1e-2, 1e-3
    rates = []
    for step in range(STEPS):
        if step < warmup:
            rates.append(peak * (step + 1) / warmup)
        else:
            progress = (step - warmup) / (STEPS - 1 - warmup)
            rates.append(floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
    return rates


def shapes(config):
    width, bias = config["width"], config["bias"]
    table = {"wte.weight": [config["vocab"], width], "wpe.weight": [config["context"], width]}

    def affine(name, weight):
        table[name + ".weight"] = weight
        if bias:
            table[name + ".bias"] = weight[-1:]

    for i in range(config["layers"]):
        affine(f"h.{i}.ln_1", [width])
        affine(f"h.{i}.attn.c_attn", [width, 3 * width])
        affine(f"h.{i}.attn.c_proj", [width, width])
        affine(f"h.{i}.ln_2", [width])
        affine(f"h.{i}.mlp.c_fc", [width, 4 * width])
        affine(f"h.{i}.mlp.c_proj", [4 * width, width])
    affine("ln_f", [width])
    return table


def initial_weights(config, generator):
    """Larger than GPT-2's 0.02, and gains and biases off 1 and 0, so that no term of a gradient is near zero."""
    weights = {}
    for name, shape in shapes(config).items():
        values = torch.randn(shape, generator=generator, dtype=torch.float64) * 0.2
        if ".ln_" in "." + name and name.endswith(".weight"):
            values = values + 1
        weights[name] = torch.round(values, decimals=4).requires_grad_()
    return weights


def model(config, p, ids):
    """ids [B, T] -> logits [B, T, V]"""
    B, T = ids.shape
    width, heads = config["width"], config["heads"]

    def norm(name, x):
        return F.layer_norm(x, (width,), p[name + ".weight"], p.get(name + ".bias"), eps=1e-5)

    def linear(name, x):
        y = x @ p[name + ".weight"]
        return y + p[name + ".bias"] if config["bias"] else y

    def split(x):
        return x.view(B, T, heads, width // heads).transpose(1, 2)

    visible = torch.ones(T, T, dtype=torch.bool).tril()
    x = p["wte.weight"][ids] + p["wpe.weight"][:T]
    for i in range(config["layers"]):
        q, k, v = (split(z) for z in linear(f"h.{i}.attn.c_attn", norm(f"h.{i}.ln_1", x)).split(width, dim=2))
        scores = (q @ k.transpose(2, 3)) / math.sqrt(width // heads)
        attention = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
        mixed = (attention @ v).transpose(1, 2).reshape(B, T, width)
        x = x + linear(f"h.{i}.attn.c_proj", mixed)
        hidden = F.gelu(linear(f"h.{i}.mlp.c_fc", norm(f"h.{i}.ln_2", x)), approximate="tanh")
        x = x + linear(f"h.{i}.mlp.c_proj", hidden)
    return norm("ln_f", x) @ p["wte.weight"].T


def loss_of(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED_TARGET)


def flat(tensor):
    return tensor.detach().flatten().tolist()


def batches_of(config, B, T, generator):
    """Batch 1 has ignored targets and is one token shorter, so that a position is never seen in it."""
    batches = []
    for index, length in enumerate([T, T - 1]):
        ids = torch.randint(config["vocab"], (B, length), generator=generator)
        targets = torch.randint(config["vocab"], (B, length), generator=generator)
        if index == 1:
            targets[0, 0] = targets[-1, 2] = targets[-1, -1] = IGNORED_TARGET
        batches.append((ids, targets))
    return batches


def case(config, B, T, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = initial_weights(config, generator)
    batches = batches_of(config, B, T, generator)
    result = {
        "config": config,
        "weights": {name: flat(w) for name, w in weights.items()},
        "batches": [],
    }
    for index, (ids, targets) in enumerate(batches):
        logits = model(config, weights, ids)
        loss = loss_of(logits, targets)
        row = {"B": ids.shape[0], "T": ids.shape[1], "ids": flat(ids), "targets": flat(targets)}
        result["batches"].append({**row, "loss": loss.item(), "logits": flat(logits)})
        if index == 0:
            loss.backward()
            result["gradients"] = {name: flat(w.grad) for name, w in weights.items()}

    groups = [
        {"params": [w for w in weights.values() if w.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [w for w in weights.values() if w.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON, foreach=False)
    result["losses"], result["gradientNorms"] = [], []
    for step, rate in enumerate(learning_rates()):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        ids, targets = batches[step % len(batches)]
        loss = loss_of(model(config, weights, ids), targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights.values(), CLIP_NORM)
        optimizer.step()
        result["losses"].append(loss.item())
        result["gradientNorms"].append(norm.item())
    result["finalNorms"] = {name: w.detach().norm().item() for name, w in weights.items()}
    return result


def write(value, depth=0):
    """JSON with one line per array, so that the file can be read and compared."""
    if isinstance(value, dict):
        pad = " " * (depth + 1)
        rows = [f"{pad}{json.dumps(key)}: {write(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[" + ", ".join(write(item, depth) for item in value) + "]"
    return json.dumps(value, separators=(",", ":"))


def main():
    torch.set_num_threads(1)
    golden = {
        "source": f"PyTorch {torch.__version__}, float64, written by test/golden/gpt2.py",
        "optimizer": {
            "beta1": BETAS[0],
            "beta2": BETAS[1],
            "epsilon": EPSILON,
            "weightDecay": WEIGHT_DECAY,
            "decayed": "parameters of two or more dimensions; the others 0",
            "clipNorm": CLIP_NORM,
            "learningRates": learning_rates(),
        },
        "cases": {
            "bias": case(
                {"layers": 2, "heads": 2, "width": 16, "context": 12, "vocab": 29, "bias": True}, B=2, T=12, seed=1337
            ),
            "noBias": case(
                {"layers": 1, "heads": 3, "width": 12, "context": 9, "vocab": 17, "bias": False}, B=3, T=8, seed=1338
            ),
        },
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpt2.json")
    with open(path, "w") as file:
        file.write(write(golden) + "\n")
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
