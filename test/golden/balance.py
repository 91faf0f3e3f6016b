"""Writes balance.json beside this file: the balancing loss of transformers' Mixtral, on the golden model of huggingface/.

    /tmp/torchenv/bin/python test/golden/balance.py

With the coefficient 0.02, in float64 (transformers computes router and loss in float32): the whole objective of batch 0,
its balancing term without the coefficient, and its gradient by each router, in the layout of model.safetensors.
"""

import json
import os

import torch
import transformers as hf

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "huggingface", "mixtral")
COEFFICIENT = 0.02


def main():
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    config = hf.AutoConfig.from_pretrained(FOLDER, output_router_logits=True, router_aux_loss_coef=COEFFICIENT)
    config._attn_implementation = config._experts_implementation = "eager"
    model = hf.AutoModelForCausalLM.from_pretrained(FOLDER, config=config, dtype=torch.float64)
    with open(os.path.join(FOLDER, "expected.json")) as file:
        ids = torch.tensor(json.load(file)["batches"][0]["ids"])
    output = model(input_ids=ids, labels=ids)
    output.loss.backward()
    routers = [parameter.grad.tolist() for name, parameter in model.named_parameters() if name.endswith("gate.weight")]
    expected = {
        "source": f"transformers {hf.__version__}, torch {torch.__version__}, float64; test/golden/balance.py",
        "coefficient": COEFFICIENT,
        "objective": output.loss.item(),
        "balance": output.aux_loss.item(),
        "routers": routers,
    }
    with open(os.path.join(HERE, "balance.json"), "w") as file:
        json.dump(expected, file)
        file.write("\n")


main()
