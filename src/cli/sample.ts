/** `halflife sample`: text from a saved run, written as it is made. */
import type { Command } from 'commander'
import { loadCheckpoint } from '../checkpoint/index.ts'
import { createBackend } from '../engine/index.ts'
import { createSampler, modelSetup, restoreWeights, type SampleOptions } from '../train/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { finiteNumber, wholeNumber } from './recipeFlags.ts'
import { readSavedRun } from './savedRun.ts'
import { textStream } from './textStream.ts'
import type { Terminal } from './terminal.ts'

/** As nanoGPT's sample.py: a little below the model's own distribution, 1, reads better. */
export const TEMPERATURE = 0.8

interface SampleFlags extends BackendFlags {
  readonly prompt?: string
  readonly tokens: number
  readonly temperature: number
  readonly topK?: number
  readonly seed: number
  readonly best?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife sample runs/quickstart-…
  halflife sample runs/quickstart-… --prompt "Call me " --tokens 500
  halflife sample runs/quickstart-… --temperature 0           always the likeliest token
  halflife sample runs/quickstart-… --best --top-k 20 --seed 7`

export function addSample(program: Command, terminal: Terminal): void {
  const command = program
    .command('sample')
    .summary('write text with a trained model')
    .description('Write text with the model of a run. The same seed gives the same text.')
    .argument('<dir>', 'the folder of a run, or of one of its checkpoints')
    .option('--prompt <text>', 'text to continue')
    .option('--tokens <n>', 'tokens to add', wholeNumber(0), 200)
    .option('--temperature <x>', '0 takes the likeliest token, 1 what the model believes', finiteNumber(0), TEMPERATURE)
    .option('--top-k <k>', 'draw among the k likeliest tokens only', wholeNumber(1))
    .option('--seed <n>', 'seed of the draws', wholeNumber(0, MOST_SEED), 1337)
    .option('--best', 'the checkpoint with the lowest validation loss, not the last one')
  addBackendFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((folder: string, flags: SampleFlags) => writeSample(folder, flags, terminal))
}

/** Seeds have 32 bits. */
const MOST_SEED = 2 ** 32 - 1

async function writeSample(folder: string, flags: SampleFlags, { out }: Terminal): Promise<void> {
  const which = flags.best === true ? 'best' : undefined
  const { recipe, config, tokenizer, step } = await readSavedRun(folder, which)
  const { prompt = '', tokens, temperature, topK, seed } = flags
  tokenizer.encode(prompt) // a prompt that cannot be written is refused before anything is compiled
  const backend = createBackend(backendOptions(flags))
  try {
    const checkpoint = loadCheckpoint(folder, which, { optimizer: false })
    restoreWeights(backend, modelSetup(config, tokenizer.vocab), checkpoint)
    const sampler = createSampler(backend, config, tokenizer)
    const options: SampleOptions = { prompt, tokens, temperature, topK, seed }
    if (flags.json === true) {
      const text = await sampler.text(options)
      const document = { checkpoint: checkpoint.folder, recipe, step, prompt, tokens, temperature, topK, seed, text }
      return out.line(JSON.stringify({ ...document, topK: topK ?? null }, null, 2))
    }
    const stream = textStream(tokenizer)
    out.write(prompt)
    for await (const token of sampler.generate(options)) out.write(stream.push(token))
    out.line(stream.end())
  } finally {
    backend.dispose()
  }
}
