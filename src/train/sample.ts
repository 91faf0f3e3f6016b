/** Text from a trained model: one token after another, from the weights that a backend holds. */
import { findCheckpoint, readCheckpointMetadata } from '../checkpoint/index.ts'
import { DataError, textStream, tokenizerFromDescription, type Tokenizer } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { keyFor, randomSequence } from '../random/index.ts'
import { checkConfig, type RecipeConfig } from '../recipes/index.ts'
import type { CheckpointRecord } from '../records/index.ts'
import { chooseToken } from './chooseToken.ts'
import { createDecoder } from './decoder.ts'
import { publishCheckpoint } from './publish.ts'
import { modelSetup } from './setup.ts'

export interface SampleOptions {
  /** Text to continue; empty starts after the tokenizer's beginning, else a line break, else token 0. */
  readonly prompt?: string | undefined
  /** Whether special tokens written out in the prompt are those tokens; plain text unless told. */
  readonly special?: boolean | undefined
  /** How many tokens to add; default 200. */
  readonly tokens?: number | undefined
  /** Divides the logits: 0 takes the likeliest token always, 1 (the default) the model's own distribution. */
  readonly temperature?: number | undefined
  /** Draw among the k likeliest tokens only; all of them unless told. */
  readonly topK?: number | undefined
  /** Draw among the likeliest whose probabilities reach this sum, above 0 to 1; all of them unless told. */
  readonly topP?: number | undefined
  /** Draw among those at least this many times as likely as the likeliest, 0 to 1; all of them unless told. */
  readonly minP?: number | undefined
  /** Makes tokens of the text so far less likely, from 1 up; 1, no change, unless told. */
  readonly repetitionPenalty?: number | undefined
  /** The text ends before the first of these; none unless told. */
  readonly stop?: readonly string[] | undefined
  /** Goes on after the tokenizer's token that ends a document; stops there unless told. */
  readonly ignoreEnd?: boolean | undefined
  /** 32 bits; the same seed gives the same tokens. Default 1337. */
  readonly seed?: number | undefined
}

/** Why a generation ended: enough tokens, a stop string, or the token that ends a document. */
export type StopReason = 'tokens' | 'stop' | 'end'

export interface Generation {
  readonly reason: StopReason
  /** Tokens read before the first was drawn, and how long that took; compiling is not counted. */
  readonly promptTokens: number
  readonly promptSeconds: number
  /** Tokens drawn, and how long they took after the first. */
  readonly tokens: number
  readonly seconds: number
  /** Tokens drawn per second, after the first; null for fewer than two. */
  readonly tokensPerSecond: number | null
}

export interface Sampler {
  readonly tokenizer: Tokenizer
  /**
   * Token ids that follow the prompt, one by one; the event loop turns in between, so leaving the loop is a way to stop.
   * The model sees the last `context` tokens: beyond them, every token computes its whole window anew, since all
   * positions move. Stop strings are for `write`.
   * Throws RangeError for an option out of range and DataError for a prompt that the tokenizer cannot write.
   */
  generate(options?: SampleOptions): AsyncGenerator<number, Generation>
  /** The text that follows the prompt, as it is settled. */
  write(options?: SampleOptions): AsyncGenerator<string, Generation>
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

/** A sampler over the weights that `backend`'s buffers hold, as after training; it computes in fp32 whatever the run did. */
export function createSampler(backend: Backend, config: RecipeConfig, tokenizer: Tokenizer): Sampler {
  const setup = modelSetup(config, tokenizer.vocab)
  const { context, vocab } = setup.config
  const decoder = createDecoder(backend, setup)

  async function* generate(options: SampleOptions = {}): AsyncGenerator<number, Generation> {
    const { count, seed, ignoreEnd, choice } = checkOptions(options)
    const tokens = promptTokens(tokenizer, options)
    const promptLength = tokens.length
    const random = randomSequence(keyFor(seed, 'sampling'))
    const clock = generationClock(promptLength)
    for (let made = 0; made < count; made++) {
      const logits = decoder.logitsAfter(tokens.slice(-context))
      const next = chooseToken(logits, Math.min(vocab, tokenizer.vocab), { ...choice, seen: tokens, random })
      clock.tick()
      if (next === tokenizer.end && !ignoreEnd) return clock.end('end')
      tokens.push(next)
      yield next
      await new Promise((resume) => setImmediate(resume))
    }
    return clock.end('tokens')
  }

  async function* write(options: SampleOptions = {}): AsyncGenerator<string, Generation> {
    const before = (options.prompt ?? '') === '' ? [] : promptTokens(tokenizer, options)
    const stream = textStream(tokenizer, { before, stop: options.stop ?? [] })
    const ids = generate(options)
    const clock = generationClock(before.length)
    for (;;) {
      const next = await ids.next()
      if (next.done === true) {
        const rest = stream.end()
        if (rest !== '') yield rest
        return stream.stopped ? { ...next.value, reason: 'stop' } : next.value
      }
      clock.tick()
      const text = stream.push(next.value)
      if (text !== '') yield text
      if (!stream.stopped) continue
      await ids.return(clock.end('stop'))
      return clock.end('stop')
    }
  }

  const text = async (options: SampleOptions = {}): Promise<string> => {
    let written = options.prompt ?? ''
    for await (const piece of write(options)) written += piece
    return written
  }
  return { tokenizer, generate, write, text }
}

/** Counts tokens from the first on. */
function generationClock(promptTokens: number) {
  const start = performance.now()
  let first = start
  let last = start
  let tokens = 0
  return {
    tick(): void {
      last = performance.now()
      if (tokens === 0) first = last
      tokens += 1
    },
    end(reason: StopReason): Generation {
      const seconds = (last - first) / 1000
      const tokensPerSecond = tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : null
      return { reason, promptTokens, promptSeconds: (first - start) / 1000, tokens, seconds, tokensPerSecond }
    },
  }
}

/** What the model reads first: at least one token, since it needs a place to begin. */
function promptTokens(tokenizer: Tokenizer, { prompt = '', special = false }: SampleOptions): number[] {
  const { begin } = tokenizer
  if (prompt !== '') return [...begin, ...tokenizer.encode(prompt, { special })]
  if (begin.length > 0) return [...begin]
  try {
    return tokenizer.encode('\n').length > 0 ? [...tokenizer.encode('\n')] : [0]
  } catch (error) {
    if (error instanceof DataError) return [0] // the vocabulary has no line break, or no text at all
    throw error
  }
}

function checkOptions(options: SampleOptions) {
  const { tokens = 200, temperature = 1, topK = Infinity, topP = 1, minP = 0, repetitionPenalty = 1 } = options
  const { seed = 1337, ignoreEnd = false, stop = [] } = options
  check(Number.isSafeInteger(tokens) && tokens >= 0, 'tokens', tokens, 'a whole number, 0 or more')
  check(Number.isFinite(temperature) && temperature >= 0, 'temperature', temperature, 'a finite number, 0 or more')
  check(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32, 'seed', seed, 'a whole number from 0 to 4294967295')
  check(topK === Infinity || (Number.isSafeInteger(topK) && topK >= 1), 'topK', topK, 'a whole number, 1 or more')
  check(topP > 0 && topP <= 1, 'topP', topP, 'above 0 and at most 1')
  check(minP >= 0 && minP <= 1, 'minP', minP, 'from 0 to 1')
  check(
    Number.isFinite(repetitionPenalty) && repetitionPenalty >= 1,
    'repetitionPenalty',
    repetitionPenalty,
    'a finite number, 1 or more',
  )
  if (stop.includes('')) throw new RangeError('A stop string is empty; it must have a character at least.')
  return { count: tokens, seed, ignoreEnd, choice: { temperature, topK, topP, minP, repetitionPenalty } }
}

function check(valid: boolean, name: string, value: number, expected: string): void {
  if (!valid) throw new RangeError(`${name} is ${value}; it must be ${expected}.`)
}
