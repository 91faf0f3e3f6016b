/** Text from a trained model: one token after another, from the weights that a backend holds. */
import { findCheckpoint, readCheckpointMetadata } from '../checkpoint/index.ts'
import { tokenizerFromDescription, type Tokenizer } from '../data/index.ts'
import { bufferName, type Backend } from '../engine/index.ts'
import { keyFor, randomSequence, type RandomSequence } from '../random/index.ts'
import { checkConfig, type RecipeConfig } from '../recipes/index.ts'
import type { CheckpointRecord } from '../records/index.ts'
import { integers } from './programs.ts'
import { publishCheckpoint } from './publish.ts'
import { modelSetup } from './setup.ts'
import { BATCH_INPUTS, SAMPLE_POSITION, traceSample } from './step.ts'

export interface SampleOptions {
  /** Text to continue; empty starts after a line break (or after token 0 where the tokenizer has none). */
  readonly prompt?: string | undefined
  /** How many tokens to add; default 200. */
  readonly tokens?: number | undefined
  /** Divides the logits: 0 takes the likeliest token always, 1 (the default) the model's own distribution. */
  readonly temperature?: number | undefined
  /** Draw among the k likeliest tokens only; all of them unless told. */
  readonly topK?: number | undefined
  /** 32 bits; the same seed gives the same tokens. Default 1337. */
  readonly seed?: number | undefined
}

export interface Sampler {
  readonly tokenizer: Tokenizer
  /**
   * Token ids that follow the prompt, one by one; the event loop turns in between, so leaving the loop is a way to
   * stop. The model sees the last `context` tokens.
   * Throws RangeError for an option out of range and DataError for a prompt that the tokenizer cannot write.
   */
  generate(options?: SampleOptions): AsyncGenerator<number, void>
  /** The prompt and what follows it, as text. */
  text(options?: SampleOptions): Promise<string>
}

export interface OpenedSampler extends Sampler {
  /** The checkpoint's folder. */
  readonly folder: string
  readonly record: CheckpointRecord
}

/**
 * Reads a checkpoint's weights into `backend` and makes a sampler over them. `path` is a run's folder or a checkpoint's
 * own; `which` chooses in a run's folder: the last unless told.
 * Throws CheckpointError where there is none or it is damaged, RecipeError where its configuration is not ours.
 */
export async function openSampler(backend: Backend, path: string, which?: 'last' | 'best'): Promise<OpenedSampler> {
  const folder = findCheckpoint(path, which)
  const metadata = readCheckpointMetadata(folder)
  const config = checkConfig(metadata.recipe.config, folder)
  const tokenizer = await tokenizerFromDescription(metadata.tokenizer)
  publishCheckpoint(backend, config, tokenizer.vocab, folder)
  return { ...createSampler(backend, config, tokenizer), folder, record: metadata }
}

/** A sampler over the weights that `backend`'s buffers hold, as after training. */
export function createSampler(backend: Backend, config: RecipeConfig, tokenizer: Tokenizer): Sampler {
  const setup = modelSetup(config, tokenizer.vocab)
  const { context, vocab } = setup.config
  const program = backend.compile(traceSample(setup))

  const logitsAfter = (tokens: readonly number[]): ArrayLike<number> => {
    const window = tokens.slice(-context)
    const ids = integers(backend, bufferName('sample', BATCH_INPUTS.ids), [1, context])
    ids.fill(0).set(window) // causal: what lies after the position cannot reach it
    integers(backend, bufferName('sample', SAMPLE_POSITION), [1])[0] = window.length - 1
    program.run()
    return backend.buffer(bufferName('sample', 'logits'), 'f32', [1, vocab])
  }

  async function* generate(options: SampleOptions = {}): AsyncGenerator<number, void> {
    const { count, temperature, topK, seed } = checkOptions(options)
    const tokens = promptTokens(tokenizer, options.prompt ?? '')
    const random = randomSequence(keyFor(seed, 'sampling'))
    for (let made = 0; made < count; made++) {
      const next = chooseToken(logitsAfter(tokens), Math.min(vocab, tokenizer.vocab), { temperature, topK, random })
      tokens.push(next)
      yield next
      await new Promise((resume) => setImmediate(resume))
    }
  }
  const text = async (options: SampleOptions = {}): Promise<string> => {
    const added: number[] = []
    for await (const token of generate(options)) added.push(token)
    const prompt = options.prompt ?? ''
    return tokenizer.decode([...(prompt === '' ? [] : tokenizer.encode(prompt)), ...added])
  }
  return { tokenizer, generate, text }
}

export interface Choice {
  /** Zero or more; 0 takes the likeliest. */
  readonly temperature: number
  /** From 1; Infinity for all. */
  readonly topK: number
  readonly random: Pick<RandomSequence, 'uniform'>
}

/**
 * A token drawn from softmax(logits / temperature) over the `topK` likeliest of the first `vocab` ids; of equally
 * likely ones the lower id comes first. Rows of a padded table, at and after `vocab`, are never drawn.
 */
export function chooseToken(logits: ArrayLike<number>, vocab: number, { temperature, topK, random }: Choice): number {
  let likeliest = 0
  for (let id = 1; id < vocab; id++) if (logits[id]! > logits[likeliest]!) likeliest = id
  if (temperature === 0) return likeliest
  const all = Array.from({ length: vocab }, (_, id) => id)
  const kept = topK < vocab ? all.toSorted((a, b) => logits[b]! - logits[a]! || a - b).slice(0, topK) : all
  const weights = kept.map((id) => Math.exp((logits[id]! - logits[likeliest]!) / temperature))
  let left = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [rank, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return kept[rank]!
  }
  return likeliest // rounding may leave a last crumb
}

/** At least one token, since the model needs a place to begin. */
function promptTokens(tokenizer: Tokenizer, prompt: string): number[] {
  if (prompt !== '') return [...tokenizer.encode(prompt)]
  try {
    return tokenizer.encode('\n').length > 0 ? [...tokenizer.encode('\n')] : [0]
  } catch {
    return [0] // the vocabulary has no line break, or no text at all
  }
}

function checkOptions(options: SampleOptions) {
  const { tokens = 200, temperature = 1, topK, seed = 1337 } = options
  check(Number.isSafeInteger(tokens) && tokens >= 0, 'tokens', tokens, 'a whole number, 0 or more')
  check(Number.isFinite(temperature) && temperature >= 0, 'temperature', temperature, 'a finite number, 0 or more')
  check(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32, 'seed', seed, 'a whole number from 0 to 4294967295')
  if (topK !== undefined) check(Number.isSafeInteger(topK) && topK >= 1, 'topK', topK, 'a whole number, 1 or more')
  return { count: tokens, temperature, topK: topK ?? Infinity, seed }
}

function check(valid: boolean, name: string, value: number, expected: string): void {
  if (!valid) throw new RangeError(`${name} is ${value}; it must be ${expected}.`)
}
