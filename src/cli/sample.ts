/** `halflife sample`: text from a saved run, written as it is made. */
import { InvalidArgumentError, type Command } from 'commander'
import { findCheckpoint } from '../checkpoint/index.ts'
import { createBackend } from '../engine/index.ts'
import { createSampler, publishCheckpoint, type Generation } from '../train/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { finiteNumber, wholeNumber } from './recipeFlags.ts'
import { readSavedRun } from './savedRun.ts'
import type { Channel, Terminal } from './terminal.ts'

/** As nanoGPT's sample.py: a little below the model's own distribution, 1, reads better. */
export const TEMPERATURE = 0.8

interface SampleFlags extends BackendFlags {
  readonly prompt?: string
  readonly tokens: number
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly stop?: readonly string[]
  readonly special?: boolean
  readonly ignoreEnd?: boolean
  readonly seed: number
  readonly best?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife sample runs/quickstart-…
  halflife sample runs/quickstart-… --prompt "Call me " --tokens 500
  halflife sample runs/quickstart-… --temperature 0           always the likeliest token
  halflife sample runs/quickstart-… --best --top-k 20 --seed 7
  halflife sample runs/quickstart-… --top-p 0.9 --repetition-penalty 1.1
  halflife sample runs/quickstart-… --prompt "HAMLET:" --stop "\\n\\n" --stop OPHELIA`

export function defineSample(command: Command, terminal: Terminal): void {
  command
    .description('Write text with the model of a run. The same seed gives the same text.')
    .argument('<dir>', 'the folder of a run, or of one of its checkpoints')
    .option('--prompt <text>', 'text to continue')
    .option('--tokens <n>', 'tokens to add', wholeNumber(0), 200)
    .option('--temperature <x>', '0 takes the likeliest token, 1 what the model believes', finiteNumber(0), TEMPERATURE)
    .option('--top-k <k>', 'draw among the k likeliest tokens only', wholeNumber(1))
    .option('--top-p <p>', 'draw among the likeliest tokens that together reach this probability', share)
    .option('--min-p <p>', 'draw among tokens at least this many times as likely as the likeliest', share)
    .option('--repetition-penalty <x>', 'from 1 up: makes tokens of the text so far less likely', finiteNumber(1))
    .option('--stop <text>', 'end before this text, in which \\n is a line break; may be repeated', stopText)
    .option('--special', 'special tokens written out in the prompt are those tokens, not text')
    .option('--ignore-end', 'go on after the token that ends a document')
    .option('--seed <n>', 'seed of the draws', wholeNumber(0, MOST_SEED), 1337)
    .option('--best', 'the checkpoint with the lowest validation loss, not the last one')
  addBackendFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((folder: string, flags: SampleFlags) => writeSample(folder, flags, terminal))
}

/** Seeds have 32 bits. */
const MOST_SEED = 2 ** 32 - 1

async function writeSample(folder: string, flags: SampleFlags, { out, err }: Terminal): Promise<void> {
  const which = flags.best === true ? 'best' : undefined
  const { recipe, config, tokenizer, step } = await readSavedRun(folder, which)
  const { prompt = '', special = false } = flags
  tokenizer.encode(prompt, { special }) // a prompt that cannot be written is refused before anything is compiled
  if (config.train.precision === 'bf16') {
    err.line(`${err.style('yellow', 'note:')} the run was trained with products in bf16; text is made with fp32.`)
  }
  const backend = createBackend(backendOptions(flags))
  try {
    const checkpoint = findCheckpoint(folder, which)
    publishCheckpoint(backend, config, tokenizer.vocab, checkpoint)
    const { tokens, temperature, topK, topP, minP, repetitionPenalty, stop = [], ignoreEnd = false, seed } = flags
    const plain = { prompt, special, tokens, temperature, stop, ignoreEnd, seed }
    const pieces = createSampler(backend, config, tokenizer).write({ ...plain, topK, topP, minP, repetitionPenalty })
    if (flags.json === true) {
      let text = prompt
      const generation = await each(pieces, (piece) => (text += piece))
      const asked = {
        ...plain,
        topK: topK ?? null,
        topP: topP ?? 1,
        minP: minP ?? 0,
        repetitionPenalty: repetitionPenalty ?? 1,
      }
      return out.line(JSON.stringify({ checkpoint, recipe, step, ...asked, text, generation }, null, 2))
    }
    out.write(prompt)
    const generation = await each(pieces, (piece) => out.write(piece))
    out.line('')
    tellSpeed(generation, err)
  } finally {
    backend.dispose()
  }
}

/** Gives every piece to `take`, and what the generator returns in the end. */
async function each(pieces: AsyncGenerator<string, Generation>, take: (piece: string) => void): Promise<Generation> {
  for (;;) {
    const next = await pieces.next()
    if (next.done === true) return next.value
    take(next.value)
  }
}

function tellSpeed({ tokens, tokensPerSecond }: Generation, err: Channel): void {
  if (tokensPerSecond === null) return
  const rate = tokensPerSecond.toLocaleString('en-US', { maximumSignificantDigits: 3 })
  err.line(err.style('dim', `${tokens.toLocaleString('en-US')} tokens, ${rate} per second`))
}

/** Above 0 to 1. */
function share(text: string): number {
  const value = finiteNumber(0)(text)
  if (value > 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a number above 0 and at most 1.')
}

function stopText(value: string, earlier: readonly string[] = []): readonly string[] {
  if (value === '') throw new InvalidArgumentError('Expected a text with a character at least.')
  return [...earlier, value.replaceAll(String.raw`\n`, '\n')]
}
