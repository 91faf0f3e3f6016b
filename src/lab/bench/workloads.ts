/** The models whose steps are timed, with their batches, as `pytorch.py` builds them too. */
import type { ModelConfig } from '../../models/index.ts'
import { findModel } from '../../models/index.ts'
import { adamw, decideAll, findPolicy } from '../../optim/index.ts'
import type { StepSetup } from '../../train/index.ts'
import type { PytorchJob } from './benchCase.ts'

/** A model and a batch of B sequences of T tokens. */
export interface Workload {
  readonly architecture: 'gpt2' | 'llama'
  readonly config: ModelConfig
  /** B */
  readonly batch: number
  /** T */
  readonly time: number
}

const gpt2Config = (layers: number, heads: number, width: number, context: number, vocab: number): ModelConfig => ({
  layers,
  heads,
  width,
  context,
  vocab,
  bias: vocab > 256, // nanoGPT trains its small models without
  dropout: 0,
  stochasticDepth: 0,
})

const gpt2Small = gpt2Config(12, 12, 768, 1024, 50257)

export const workloads = {
  /** So little work that only the overhead of a step counts. */
  tiny: { architecture: 'gpt2', config: gpt2Config(1, 4, 64, 16, 65), batch: 8, time: 16 },
  /** nanoGPT's CPU command for shakespeare_char. */
  nanogptCpu: { architecture: 'gpt2', config: gpt2Config(4, 4, 128, 64, 65), batch: 12, time: 64 },
  /** nanoGPT's config/train_shakespeare_char.py with a quarter of its batch. */
  sixLayers: { architecture: 'gpt2', config: gpt2Config(6, 6, 384, 256, 65), batch: 16, time: 256 },
  gpt2: { architecture: 'gpt2', config: gpt2Small, batch: 4, time: 256 },
  gpt2Long: { architecture: 'gpt2', config: gpt2Small, batch: 1, time: 1024 },
  /** 256 tokens a step, for targets on which 1,024 take half a minute. */
  gpt2Short: { architecture: 'gpt2', config: gpt2Small, batch: 1, time: 256 },
  /** In the shape of LLaMA with grouped queries: 59 M parameters with the vocabulary of LLaMA 2. */
  llama60m: {
    architecture: 'llama',
    config: {
      layers: 9,
      heads: 8,
      kvHeads: 4,
      width: 512,
      feedForward: 1408,
      context: 512,
      vocab: 32000,
      normEps: 1e-5,
      ropeTheta: 10_000,
      tied: false,
      dropout: 0,
      stochasticDepth: 0,
    },
    batch: 2,
    time: 512,
  },
} as const satisfies Record<string, Workload>

/** AdamW as nanoGPT trains: λ 0.1 on tensors of two dimensions, β 0.9 and 0.99, clipped at norm 1. */
export function stepOf({ architecture, config, batch, time }: Workload): StepSetup {
  const model = findModel(architecture)
  const parameters = model.declareParameters(config)
  const decisions = decideAll(findPolicy('nanogpt'), parameters)
  const decays = (name: string): boolean => decisions.get(name)!.multiplier > 0
  const groups = [
    { params: parameters.filter(({ name }) => decays(name)), weightDecay: 0.1 },
    { params: parameters.filter(({ name }) => !decays(name)), weightDecay: 0 },
  ]
  return {
    model,
    config,
    parameters,
    optimizer: adamw(groups, { learningRate: LEARNING_RATE, betas: [0.9, 0.99] }),
    batchSize: batch,
    sequenceLength: time,
    accumulation: 1,
    clip: 1,
  }
}

/** Of every step: training goes on during the bench, so it must not diverge. */
export const LEARNING_RATE = 1e-4

/** The same model and batch for `pytorch.py`. */
export function pytorchWorkload(kind: string, { architecture, config, batch, time }: Workload): PytorchJob {
  const { layers, heads, width, context, vocab, bias, kvHeads, feedForward, normEps, ropeTheta } = config
  const all = { layers, heads, width, context, vocab, bias, kvHeads, feedForward, normEps, ropeTheta, batch, time }
  const given = Object.entries(all).filter((entry): entry is [string, number | boolean] => entry[1] != null)
  return { kind, architecture, ...Object.fromEntries(given) }
}
