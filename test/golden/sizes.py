"""Parameters of every published size: total, those that compute one token, decayed and not decayed.

From the tables of the papers and configurations, by closed formulas; no model is built and nothing of halflife's is
read. Totals that were published, or printed by others for the released weights, are asserted. Which parameters decay
is each recipe's own rule: vectors stay out (note, nanoGPT, gpt-neox), nothing stays out (T5X's Adafactor), or the
token table alone stays out (OLMo-2).

    python3 test/golden/sizes.py > test/golden/sizes.json
"""

import json

VECTORS, NOTHING, TABLE = "vectors", "nothing", "token table"


def gpt(L, d, V, T=0):
    """GPT-2, GPT-3 (tied head, learned positions)."""
    vectors = L * 13 * d + 2 * d
    matrices = 12 * L * d * d + V * d + T * d
    return matrices, vectors, 0, V * d


def neox(L, d, V):
    """Pythia: rotary positions, a head of its own."""
    return 12 * L * d * d + 2 * V * d, L * 13 * d + 2 * d, 0, V * d


def llama(L, d, h, ff, V, kv=None, hd=None, tied=False, gains=2, qk=0, experts=1, used=1):
    """Gated MLPs, no biases; `qk` gains of queries and keys a layer; idle: what a token does not use."""
    kv, hd = kv or h, hd or d // h
    attention = 2 * d * h * hd + 2 * d * kv * hd
    mlp = 3 * d * ff
    router = d * experts if experts > 1 else 0
    matrices = L * (attention + experts * mlp + router) + V * d * (1 if tied else 2)
    vectors = L * (gains * d + qk) + d
    return matrices, vectors, L * (experts - used) * mlp, V * d


def rows():
    for name, rule in (("gpt2", VECTORS), ("gpt2-nanogpt", VECTORS)):
        for size, L, d in (("124m", 12, 768), ("355m", 24, 1024), ("774m", 36, 1280), ("1558m", 48, 1600)):
            yield f"{name}@{size}", rule, gpt(L, d, 50257, 1024)
    for size, L, d in (
        ("125m", 12, 768), ("350m", 24, 1024), ("760m", 24, 1536), ("1.3b", 24, 2048), ("2.7b", 32, 2560),
        ("6.7b", 32, 4096), ("13b", 40, 5120), ("175b", 96, 12288),
    ):
        yield f"gpt3@{size}", VECTORS, gpt(L, d, 50257, 2048)
    for size, L, d, h, ff in (
        ("7b", 32, 4096, 32, 11008), ("13b", 40, 5120, 40, 13824), ("33b", 60, 6656, 52, 17920), ("65b", 80, 8192, 64, 22016),
    ):
        yield f"llama@{size}", VECTORS, llama(L, d, h, ff, 32000)
    for size, L, d, h, ff, kv in (
        ("7b", 32, 4096, 32, 11008, 32), ("13b", 40, 5120, 40, 13824, 40), ("70b", 80, 8192, 64, 28672, 8),
    ):
        yield f"llama2@{size}", VECTORS, llama(L, d, h, ff, 32000, kv)
    for size, L, d, h, ff in (("8b", 32, 4096, 32, 14336), ("70b", 80, 8192, 64, 28672), ("405b", 126, 16384, 128, 53248)):
        yield f"llama3@{size}", VECTORS, llama(L, d, h, ff, 128256, 8)
    for name, rule in (("palm", NOTHING), ("palm-note", VECTORS)):
        for size, L, d, h in (("8b", 32, 4096, 16), ("62b", 64, 8192, 32), ("540b", 118, 18432, 48)):
            yield f"{name}@{size}", rule, llama(L, d, h, 4 * d, 256000, 1, 256, tied=True, gains=1)
    yield "grok-1@314b", VECTORS, llama(64, 6144, 48, 32768, 131072, 8, 128, True, 4, experts=8, used=2)
    yield "mistral@7b", VECTORS, llama(32, 4096, 32, 14336, 32000, 8)
    yield "mixtral@8x7b", VECTORS, llama(32, 4096, 32, 14336, 32000, 8, experts=8, used=2)
    yield "mixtral@8x22b", VECTORS, llama(56, 6144, 48, 16384, 32000, 8, experts=8, used=2)
    for size, L, d, V in (
        ("14m", 6, 128, 50304), ("31m", 6, 256, 50304), ("70m", 6, 512, 50304), ("160m", 12, 768, 50304),
        ("410m", 24, 1024, 50304), ("1b", 16, 2048, 50304), ("1.4b", 24, 2048, 50304), ("2.8b", 32, 2560, 50304),
        ("6.9b", 32, 4096, 50432), ("12b", 36, 5120, 50688),
    ):
        yield f"pythia@{size}", VECTORS, neox(L, d, V)
    for size, L, d, h, ff, kv in (
        ("1b", 16, 2048, 16, 8192, 16), ("7b", 32, 4096, 32, 11008, 32), ("13b", 40, 5120, 40, 13824, 40),
        ("32b", 64, 5120, 40, 27648, 8),
    ):
        yield f"olmo2@{size}", TABLE, llama(L, d, h, ff, 100352, kv, qk=d + kv * 128)
    for size, L, d, h, ff, tied in (
        ("0.6b", 28, 1024, 16, 3072, True), ("1.7b", 28, 2048, 16, 6144, True), ("4b", 36, 2560, 32, 9728, True),
        ("8b", 36, 4096, 32, 12288, False),
    ):
        yield f"qwen3@{size}", VECTORS, llama(L, d, h, ff, 151936, 8, 128, tied, qk=2 * 128)


# Sizes of the released weights, as their publishers or transformers count them.
PUBLISHED = {
    "gpt2@124m": 124_439_808, "gpt2@355m": 354_823_168, "gpt2@774m": 774_030_080, "gpt2@1558m": 1_557_611_200,
    "llama@7b": 6_738_415_616, "llama@13b": 13_015_864_320, "llama@33b": 32_528_943_616, "llama@65b": 65_285_660_672,
    "llama2@70b": 68_976_648_192, "llama3@8b": 8_030_261_248, "llama3@70b": 70_553_706_496,
    "llama3@405b": 405_853_388_800, "mistral@7b": 7_241_732_096, "mixtral@8x7b": 46_702_792_704,
    "pythia@14m": 14_067_712, "pythia@70m": 70_426_624, "pythia@160m": 162_322_944, "pythia@410m": 405_334_016,
    "pythia@1b": 1_011_781_632, "pythia@1.4b": 1_414_647_808, "pythia@2.8b": 2_775_208_960,
    "pythia@6.9b": 6_857_302_016, "pythia@12b": 11_846_072_320, "olmo2@7b": 7_298_617_344, "olmo2@13b": 13_716_198_400,
    "olmo2@32b": 32_234_279_936, "qwen3@0.6b": 596_049_920, "qwen3@8b": 8_190_735_360,
}

# As GPT-3's table misprints them: a width of 5,140, and 24 heads of 128 where 16 make 2,048.
def misprinted(L, d, h):
    return sum(gpt(L, d, 50257, 2048)[:2]) + L * (4 * d + 3) * (h * 128 - d)


assert misprinted(40, 5140, 40) == 12_936_488_380
assert misprinted(24, 2048, 24) == 1_517_123_584
# Mixtral 8x22B v0.3 has a larger vocabulary.
assert sum(llama(56, 6144, 48, 16384, 32768, 8, experts=8, used=2)[:2]) == 140_630_071_296

found = {}
for name, rule, (matrices, vectors, idle, table) in rows():
    total = matrices + vectors
    undecayed = {VECTORS: vectors, NOTHING: 0, TABLE: table}[rule]
    found[name] = {"total": total, "active": total - idle, "decayed": total - undecayed, "undecayed": undecayed}
for name, total in PUBLISHED.items():
    assert found[name]["total"] == total, (name, found[name]["total"], total)
lines = [f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in found.items()]
print("{\n" + ",\n".join(lines) + "\n}")
