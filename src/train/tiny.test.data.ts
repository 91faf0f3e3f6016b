/** A GPT-2 of a few thousand parameters with everything set up to train, for tests. */
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { gpt2, type ConfigOf } from '../models/index.ts'
import { adamw, buildLedger, type AdamwOptions } from '../optim/index.ts'
import type { StepSetup } from './step.ts'

type TinyConfig = ConfigOf<'bias'>

export const tinyConfig: TinyConfig = {
  layers: 2,
  heads: 2,
  width: 16,
  context: 8,
  vocab: 13,
  bias: true,
  dropout: 0,
  stochasticDepth: 0,
}

export interface TinyOptions extends AdamwOptions {
  readonly config?: Partial<TinyConfig>
  readonly batchSize?: number
  readonly accumulation?: number
  readonly clip?: number
}

/** Decays by nanoGPT's rule. */
export function tinySetup(options: TinyOptions = {}): StepSetup & { readonly config: TinyConfig } {
  const { config, batchSize = 2, accumulation = 1, clip = 1, weightDecay = 0.1, ...adamwOptions } = options
  const full = { ...tinyConfig, ...config }
  const parameters = gpt2.declareParameters(full)
  const ledger = buildLedger(parameters, 'nanogpt', { weightDecay, learningRates: [0], steps: 1 })
  const decayed = new Set(ledger.entries.filter((entry) => entry.weightDecay > 0).map(({ name }) => name))
  const groups = [
    { params: parameters.filter(({ name }) => decayed.has(name)), weightDecay },
    { params: parameters.filter(({ name }) => !decayed.has(name)), weightDecay: 0 },
  ]
  return {
    model: gpt2,
    config: full,
    parameters,
    optimizer: adamw(groups, adamwOptions),
    batchSize,
    sequenceLength: full.context,
    accumulation,
    clip,
  }
}

/** A text with something to learn: 7·i + (i² mod 3) modulo the vocabulary, 600 and 61 tokens. */
export function tinyCorpus(vocab = tinyConfig.vocab): Corpus {
  const tokens = Uint16Array.from({ length: 661 }, (_, i) => (7 * i + ((i * i) % 3)) % vocab)
  return {
    train: tokens.slice(0, 600),
    validation: tokens.slice(600),
    name: 'tiny',
    hash: '0'.repeat(64),
    description: 'tiny',
    tokenizer: {
      name: 'ids',
      vocab,
      begin: [],
      end: null,
      encode: () => new Uint16Array(0),
      decode: (ids) => Array.from(ids).join(' '),
      describe: () => ({ name: 'ids', vocab }),
    },
  }
}

/** Every parameter's values. */
export function readParameters(backend: Backend, { parameters }: Pick<StepSetup, 'parameters'>): Map<string, number[]> {
  return new Map(parameters.map(({ name, shape }) => [name, [...backend.buffer(name, 'f32', shape)]]))
}
