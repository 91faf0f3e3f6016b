/** `halflife import`: a model of another program becomes a run, to be sampled, measured and trained on. */
import type { Command } from 'commander'
import { tokenizerFromDescription } from '../data/index.ts'
import { nameOf, openPretrained, writeImportedRun, type Pretrained } from '../exchange/index.ts'
import { totalParameters } from '../nn/parameter.ts'
import { resolveRecipe } from '../recipes/index.ts'
import type { TokenizerRecord } from '../records/index.ts'
import { recipeLedger } from '../train/index.ts'
import { commandName } from './commandName.ts'
import { defaultRunFolder } from './outFolder.ts'
import { FINE_TUNING, settingsOf } from './pretrainedRecipe.ts'
import { whole } from './quantity.ts'
import type { Terminal } from './terminal.ts'
import { packageVersion } from '../records/ownPackage.ts'

interface ImportFlags {
  readonly out?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife import gpt2/                     a folder with config.json and model.safetensors, as transformers saves it
  halflife import llama/ --out runs/llama   also in shards with model.safetensors.index.json
  halflife import stories15M.bin            a model of llama2.c`

export function defineImport(command: Command, terminal: Terminal): void {
  command
    .description(
      'Make a run of a model that another program trained: its weights as float32, its tokenizer and configuration ' +
        'beside them. There is no optimizer state; train on from it with `halflife train --from`.',
    )
    .argument('<path>', 'a folder of Hugging Face’s, or a .bin file of llama2.c')
    .option('--out <dir>', 'folder of the new run (default: runs/<name>-<time>)')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: ImportFlags) => importModel(path, flags, terminal))
}

async function importModel(path: string, flags: ImportFlags, { out, err }: Terminal): Promise<void> {
  const source = await openPretrained(path)
  try {
    const folder = flags.out ?? defaultRunFolder(nameOf(source))
    const recipe = resolveRecipe(FINE_TUNING, { config: settingsOf(source) })
    const tokenizer = source.tokenizer ?? { name: 'ids', vocab: source.model.vocab }
    await tokenizerFromDescription(tokenizer)
    for (const notice of source.notices) err.line(`${err.style('yellow', 'note:')} ${notice}`)
    const ledger = recipeLedger(recipe.config, source.parameters)
    writeImportedRun(source, { out: folder, recipe, ledger, tokenizer, version: packageVersion() })
    const parameters = totalParameters(source.parameters)
    if (flags.json === true) {
      const { format, dtypes, model } = source
      const document = { run: folder, from: path, format, dtypes, parameters, model, tokenizer: tokenizer.name }
      return out.line(JSON.stringify(document, null, 2))
    }
    tell({ source, folder, parameters, tokenizer }, { out, err })
  } finally {
    source.close()
  }
}

interface Imported {
  readonly source: Pretrained
  readonly folder: string
  readonly parameters: number
  readonly tokenizer: TokenizerRecord
}

function tell({ source, folder, parameters, tokenizer }: Imported, { out }: Terminal): void {
  const { layers, heads, width, context, vocab, architecture } = source.model
  const facts: readonly (readonly [string, string])[] = [
    ['model', `${source.format}, ${whole(parameters)} parameters, stored as ${source.dtypes}`],
    [
      'is',
      `${architecture}: ${layers} layers, ${heads} heads, ${width} wide, context ${context}, ${whole(vocab)} tokens`,
    ],
    ['tokenizer', tokenizer.name === 'ids' ? 'unknown: text is token ids' : tokenizer.name],
    ['run', folder],
  ]
  for (const [name, value] of facts) out.line(`  ${out.style('dim', name.padEnd(9))}  ${value}`)
  out.line()
  out.line(`Write with it:   ${commandName()} sample ${folder}`)
  out.line(`Train on:        ${commandName()} train --from ${folder} --data …`)
}
