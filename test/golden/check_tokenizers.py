"""Loads the tokenizers that `halflife export` writes with transformers, and compares ids and texts with ours.

    npm run build && python test/golden/check_tokenizers.py [tokenizer.model …]

Writes each kind with the built program into a temporary folder (character, byte, GPT-2, and the SentencePiece models
named), beside a config.json of every class that is exported, and loads it as AutoTokenizer and as
PreTrainedTokenizerFast. Fails where an id or a text differs, or where characters outside a vocabulary pass unnoticed.
"""

import json
import os
import subprocess
import sys
import tempfile

import transformers as hf

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CLASSES = ["gpt2", "llama", "mistral", "mixtral", "olmo2", "qwen3", "gpt_neox"]
TEXTS = [
    "Call me Ishmael. Some years ago—never mind how long precisely",
    "\n\n  it's  the  'll 've   \t\r\n end ",
    "naïve café 日本語 🦙🏽 123 4567 ½ e\u0301",
    "a" * 300 + " " * 40 + "\u2028\u0000 \\ \" {} |",
    " ",
]

WRITE = """
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
const [root, folder, models] = process.argv.slice(1)
const { tokenizerFiles, tokenizerFromDescription, openTokenizerFile } = await import(`${root}/dist/data/index.js`)
const texts = JSON.parse(readFileSync(0, 'utf8'))
const characters = [...new Set(texts.join(''))].sort((a, b) => a.codePointAt(0) - b.codePointAt(0)).join('')
const records = { char: { name: 'char', characters }, byte: { name: 'byte' }, gpt2: { name: 'gpt2' } }
for (const [i, path] of JSON.parse(models).entries()) records[`sentencepiece-${i}`] = openTokenizerFile(path).describe()
const expected = {}
for (const [name, record] of Object.entries(records)) {
  mkdirSync(`${folder}/${name}`)
  for (const [file, content] of await tokenizerFiles(record)) writeFileSync(`${folder}/${name}/${file}`, content)
  const tokenizer = await tokenizerFromDescription(record)
  expected[name] = texts.map((text) => {
    const ids = [...tokenizer.encode(text)]
    return { ids, begun: [...tokenizer.begin, ...ids], text: tokenizer.decode(ids) }
  })
}
console.log(JSON.stringify(expected))
"""


def check(tokenizer, cases, where):
    for text, case in zip(TEXTS, cases, strict=True):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert ids == case["ids"], (where, text, ids, case["ids"])
        assert tokenizer.encode(text) == case["begun"], (where, text, tokenizer.encode(text), case["begun"])
        assert tokenizer.decode(ids) == case["text"], (where, text, tokenizer.decode(ids))


def main(models):
    hf.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        arguments = [os.path.abspath(ROOT), folder, json.dumps([os.path.abspath(model) for model in models])]
        command = ["node", "--input-type=module", "-e", WRITE, *arguments]
        written = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
        for name, cases in json.loads(written.stdout).items():
            path = os.path.join(folder, name)
            check(hf.PreTrainedTokenizerFast.from_pretrained(path), cases, name)
            for model_type in CLASSES:
                with open(os.path.join(path, "config.json"), "w") as file:
                    json.dump({"model_type": model_type}, file)
                tokenizer = hf.AutoTokenizer.from_pretrained(path)
                check(tokenizer, cases, (name, model_type))
            if name == "char":
                try:
                    unknown = tokenizer.encode("ж")
                except Exception as error:
                    print(f"  char: ж is refused: {error}")
                else:
                    raise AssertionError(("char", unknown))
            classes = type(tokenizer).__name__
            print(f"{name}: {len(tokenizer)} tokens, {len(CLASSES)} classes, {len(cases)} texts alike ({classes})")


if __name__ == "__main__":
    main(sys.argv[1:])
