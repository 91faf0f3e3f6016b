"""Loads what `halflife export` wrote with transformers, and compares its logits with those of the golden model.

    for m in test/golden/huggingface/*; do
      npx halflife import $m --out /tmp/run-$(basename $m)
      npx halflife export /tmp/run-$(basename $m) --to /tmp/out/$(basename $m)
    done
    python test/golden/check_export.py /tmp/out

Fails where a folder does not load whole (missing, unexpected or mismatched tensors) or a logit differs by one bit from
the same model loaded from the golden folder.
"""

import os
import sys

import torch
import transformers as hf

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "huggingface")


def load(folder):
    model, report = hf.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), (folder, report)
    return model.eval()


def main(exported):
    hf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name in sorted(os.listdir(exported)):
        ours, theirs = load(os.path.join(exported, name)), load(os.path.join(GOLDEN, name))
        ids = torch.arange(40).reshape(4, 10)
        with torch.no_grad():
            a, b = ours(input_ids=ids).logits, theirs(input_ids=ids).logits
        assert type(ours) is type(theirs)
        assert torch.equal(a, b), (name, (a - b).abs().max().item())
        print(f"{name}: {type(ours).__name__} loads whole; {a.numel()} logits equal bit for bit")


if __name__ == "__main__":
    main(sys.argv[1])
