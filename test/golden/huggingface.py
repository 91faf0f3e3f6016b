"""Writes the folders of huggingface/ beside this file: tiny random models of `transformers`, and what they compute.

    python3 -m venv /tmp/torchenv && /tmp/torchenv/bin/pip install torch transformers
    /tmp/torchenv/bin/python test/golden/huggingface.py [name …]

Per architecture, as `save_pretrained` writes them: config.json and model.safetensors (sharded for one of them; F32, F16
or BF16, in which the weights are exact). Beside them expected.json with two batches of ids and their losses, the losses
of five AdamW steps that take the batches in turn, and the optimizer's settings; and expected.safetensors with the logits
of both batches, every gradient of batch 0 (`gradient.NAME`) and every weight after the steps (`after.NAME`), under the
names and in the layout of model.safetensors. The models and the optimizer run in float64 (transformers itself computes
norms, the router and the loss in float32); what is written is rounded to float32.
"""

import copy
import json
import os
import shutil
import sys
import tempfile

import torch
import transformers as hf
from safetensors.torch import load_file, save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "huggingface")
STEPS = 5
OPTIMIZER = {"lr": 1e-2, "betas": [0.9, 0.95], "eps": 1e-5, "weight_decay": 0.1}
VOCAB, BATCH, TIME = 40, 2, 12

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCAB}
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
GROUPED = {**SIZES, **IDS, "num_key_value_heads": 2, "max_position_embeddings": 16}

# name -> configuration, dtype of the file, bytes per shard
MODELS = {
    "gpt2": (
        hf.GPT2Config(n_embd=12, n_layer=2, n_head=3, vocab_size=VOCAB, n_positions=16, **IDS),
        torch.float32,
        None,
    ),
    "llama": (hf.LlamaConfig(**GROUPED, rms_norm_eps=1e-5), torch.bfloat16, None),
    "mistral": (hf.MistralConfig(**GROUPED, sliding_window=5), torch.float16, None),
    "mixtral": (
        hf.MixtralConfig(**{**GROUPED, "intermediate_size": 12}, num_local_experts=4, num_experts_per_tok=2, rope_theta=500.0),
        torch.bfloat16,
        None,
    ),
    "olmo2": (hf.Olmo2Config(**GROUPED), torch.bfloat16, None),
    "qwen3": (hf.Qwen3Config(**GROUPED, head_dim=8, tie_word_embeddings=True), torch.bfloat16, 4000),
    "gpt_neox": (
        hf.GPTNeoXConfig(**{**SIZES, **IDS, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 16}),
        torch.bfloat16,
        None,
    ),
    # LLaMA 3.1's wavelengths, of which some stay, some are interpolated and some stretched; heads wider than width / heads
    "llama_scaled": (
        hf.LlamaConfig(
            **{**GROUPED, "max_position_embeddings": 32},
            head_dim=8,
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 50.0,
                "factor": 4.0,
                "low_freq_factor": 0.5,
                "high_freq_factor": 1.25,
                "original_max_position_embeddings": 12,
            },
        ),
        torch.bfloat16,
        None,
    ),
    "mistral_scaled": (
        hf.MistralConfig(
            **GROUPED,
            sliding_window=None,
            head_dim=6,
            rope_parameters={"rope_type": "linear", "rope_theta": 100.0, "factor": 2.5},
        ),
        torch.float32,
        None,
    ),
}


def randomize(model, dtype, generator):
    """Larger than the models' 0.02, and gains and biases off 1 and 0, so that no term of a gradient is near zero."""
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.2
        if parameter.ndim == 1 and name.endswith("weight"):
            values = values + 1
        parameter.data = values.to(dtype).to(torch.float64)


def saved_tensors(model, values):
    """`values` by parameter in the names and layout of a checkpoint: what save_pretrained makes of them."""
    twin = copy.deepcopy(model)
    for (_, parameter), (_, value) in zip(twin.named_parameters(), values, strict=True):
        parameter.data = value.detach().to(torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        twin.to(torch.float32).save_pretrained(folder)
        return load_file(os.path.join(folder, "model.safetensors"))


def loss_of(model, ids):
    """The model's own loss: each token's successor is its target, the last has none."""
    return model(input_ids=ids, labels=ids).loss


def golden(name, config, dtype, shard_bytes, seed):
    generator = torch.Generator().manual_seed(seed)
    config._attn_implementation = config._experts_implementation = "eager"
    model = hf.AutoModelForCausalLM.from_config(config).to(torch.float64).eval()
    randomize(model, dtype, generator)
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    stored = copy.deepcopy(model).to(dtype)
    stored.save_pretrained(folder, **({} if shard_bytes is None else {"max_shard_size": shard_bytes}))
    os.remove(os.path.join(folder, "generation_config.json"))

    batches = [torch.randint(VOCAB, (BATCH, TIME), generator=generator) for _ in range(2)]
    tensors = {}
    losses = []
    for index, ids in enumerate(batches):
        output = model(input_ids=ids, labels=ids)
        tensors[f"logits.{index}"] = output.logits.detach()
        losses.append(output.loss.item())
    loss_of(model, batches[0]).backward()
    gradients = [(key, parameter.grad) for key, parameter in model.named_parameters()]
    tensors.update({f"gradient.{key}": value for key, value in saved_tensors(model, gradients).items()})

    parameters = [parameter for _, parameter in model.named_parameters()]
    decay = OPTIMIZER["weight_decay"]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=OPTIMIZER["lr"], betas=tuple(OPTIMIZER["betas"]), eps=OPTIMIZER["eps"], foreach=False
    )
    step_losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, batches[step % 2])
        loss.backward()
        optimizer.step()
        step_losses.append(loss.item())
    after = saved_tensors(model, list(model.named_parameters()))
    tensors.update({f"after.{key}": value for key, value in after.items()})

    save_file(
        {key: value.to(torch.float32).contiguous() for key, value in tensors.items()},
        os.path.join(folder, "expected.safetensors"),
    )
    expected = {
        "source": f"transformers {hf.__version__}, torch {torch.__version__}, float64; test/golden/huggingface.py",
        "optimizer": {**OPTIMIZER, "decayed": "parameters of two or more dimensions; the others 0"},
        "batches": [{"ids": ids.tolist(), "loss": loss} for ids, loss in zip(batches, losses, strict=True)],
        "steps": step_losses,
    }
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(expected, file, separators=(", ", ": "))
        file.write("\n")
    print(name, {entry: os.path.getsize(os.path.join(folder, entry)) for entry in sorted(os.listdir(folder))})


def main():
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    chosen = sys.argv[1:] or MODELS
    for seed, (name, (config, dtype, shard_bytes)) in enumerate(MODELS.items(), start=1337):
        if name in chosen:
            golden(name, config, dtype, shard_bytes, seed)


if __name__ == "__main__":
    main()
