/** `halflife export`: the model of a run for other programs. */
import { Option, InvalidArgumentError, type Command } from 'commander'
import type { FloatDtype } from '../checkpoint/index.ts'
import { openPretrained, tokenizerToWrite, writeGgufModel, writeHuggingFace } from '../exchange/index.ts'
import { publishedWeights } from '../train/index.ts'
import { bytes, whole } from './quantity.ts'
import type { Terminal } from './terminal.ts'

const DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const satisfies Record<string, FloatDtype>

interface ExportFlags {
  readonly to: string
  readonly dtype: keyof typeof DTYPES
  readonly shard: number
  readonly best?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife export runs/quickstart-… --to model/                 transformers: AutoModelForCausalLM.from_pretrained
  halflife export runs/quickstart-… --to model/ --dtype bf16 --best
  halflife export runs/llama --to llama/ --shard 2GB            in files of two gigabytes at most
  halflife export runs/llama --to llama.gguf --dtype f16        for llama.cpp`

export function defineExport(command: Command, terminal: Terminal): void {
  command
    .description(
      'Write the model of a run as transformers saves it: config.json, model.safetensors, and the tokenizer that came ' +
        'with it; every architecture that transformers has a class for can be written. Or, where --to ends with .gguf, ' +
        'as llama.cpp reads it: gpt2, llama, mistral and qwen3.',
    )
    .argument('<dir>', 'the folder of a run, or of one of its checkpoints')
    .requiredOption('--to <path>', 'folder or .gguf file to write; it must not exist yet')
    .addOption(new Option('--dtype <type>', 'type of the numbers').choices(Object.keys(DTYPES)).default('f32'))
    .option('--shard <size>', 'most bytes of weights per safetensors file', byteCount, 5e9)
    .option('--best', 'the checkpoint with the lowest validation loss, not the last one')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((folder: string, flags: ExportFlags) => exportModel(folder, flags, terminal))
}

async function exportModel(folder: string, flags: ExportFlags, { out, err }: Terminal): Promise<void> {
  const source = publishedWeights(await openPretrained(folder, flags.best === true ? 'best' : undefined))
  try {
    const dtype = DTYPES[flags.dtype]
    const tokenizer = await tokenizerToWrite(source)
    const written = flags.to.endsWith('.gguf')
      ? writeGgufModel(source, flags.to, { dtype, tokenizer })
      : writeHuggingFace(source, flags.to, { dtype, shardBytes: flags.shard, tokenizer })
    for (const notice of written.notices) err.line(`${err.style('yellow', 'note:')} ${notice}`)
    if (flags.json === true) {
      return out.line(JSON.stringify({ from: folder, to: flags.to, dtype, ...written }, null, 2))
    }
    const files = written.files.length === 1 ? written.files[0] : `${whole(written.files.length)} shards`
    out.line(`Wrote ${written.format} to ${flags.to}: ${files}, ${bytes(written.bytes)} as ${dtype}.`)
  } finally {
    source.close()
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KB: 1e3, MB: 1e6, GB: 1e9 }

/** 500MB, 2GB or a number of bytes, as in transformers' max_shard_size. */
function byteCount(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)([KMG]B)?$/i.exec(text.trim()) ?? []
  const count = digits === '' ? 0 : Number(digits) * (UNITS[unit.toUpperCase()] ?? 0)
  if (count > 0) return count
  throw new InvalidArgumentError('Expected a size such as 500MB or 2GB.')
}
