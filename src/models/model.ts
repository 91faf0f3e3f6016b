/**
 * What every architecture offers, and how to write one.
 *
 * An architecture is one file: it says which values of the configuration it READS besides those that all have, declares
 * its parameters with their roles, and computes from token ids what the output layer reads, with the layers of src/nn.
 * `defineModel` makes a `Model` of it. A value that it does not read is null in its recipes, and giving it is an error.
 * To add a value: one line in `ModelValues` here, one in `ownPaths`, one in src/recipes/schema.ts.
 *
 * Parameters have Hugging Face's names without the leading `model.`, `transformer.` or `gpt_neox.`; weights of linear
 * maps are [in, out] as in GPT-2's checkpoints, also where Hugging Face stores [out, in]; tables are [rows, width], and
 * so is the output layer.
 *
 * What differs between training, evaluation and decoding is a `Pass` (src/nn/pass.ts): a layer asks it for positions and
 * attention, sends each residual branch through it, and hands it auxiliary losses. Training adds weight · value of each
 * to its objective and reports the value apart; evaluation leaves them out.
 */
import { matmul, mul, scope, transpose, type Tensor } from '../engine/index.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import type { RopeScaling } from '../nn/rotary.ts'
import type { TracedParameters } from '../nn/traced.ts'

/** All that a configuration can say of a model. */
export interface ModelValues {
  /** Transformer blocks. */
  readonly layers: number
  /** Heads of queries per block. */
  readonly heads: number
  /** Width of the residual stream. */
  readonly width: number
  /** Longest sequence. */
  readonly context: number
  /** Rows of the token table. */
  readonly vocab: number
  /** Share of activations that training drops, from 0 to less than 1. */
  readonly dropout: number
  /** Share of samples that skip the branches of the last block in training; earlier blocks linearly less. */
  readonly stochasticDepth: number
  /** Biases in linear layers and norms. */
  readonly bias: boolean
  /** Heads of keys and values; divides `heads`. */
  readonly kvHeads: number
  /** Width of a head. */
  readonly headDim: number
  /** Hidden width of the MLP, or of each expert. */
  readonly feedForward: number
  /** MLPs among which a router chooses for each token. */
  readonly experts: number
  /** How many of them compute each token. */
  readonly expertsPerToken: number
  /** Weight of the loss that keeps experts in use alike; 0 for none. */
  readonly balanceLoss: number
  /** Attention scores s become softCap · tanh(s / softCap); 0 for no cap. */
  readonly softCap: number
  /** ε of the norms. */
  readonly normEps: number
  /** Base of the rotary wavelengths. */
  readonly ropeTheta: number
  /** How rotary wavelengths are stretched for longer texts. */
  readonly ropeScaling: RopeScaling
  /** Share of a head's width that is rotated, above 0 to 1. */
  readonly rotaryShare: number
  /** A query sees this many keys, its own included; 0 for all before it. */
  readonly window: number
  /** The output layer is the token table. */
  readonly tied: boolean
  /** Weight of the z-loss, mean (ln Σ e^logit)²; 0 for none. */
  readonly zLoss: number
}

/** Values that every architecture reads. */
export type CommonPath = 'layers' | 'heads' | 'width' | 'context' | 'vocab' | 'dropout' | 'stochasticDepth'
/** Values that only some read. */
export type OwnPath = Exclude<keyof ModelValues, CommonPath>

/** The same, to go through. */
export const ownPaths = [
  'bias',
  'kvHeads',
  'headDim',
  'feedForward',
  'experts',
  'expertsPerToken',
  'balanceLoss',
  'softCap',
  'normEps',
  'ropeTheta',
  'ropeScaling',
  'rotaryShare',
  'window',
  'tied',
  'zLoss',
] as const satisfies readonly OwnPath[]

/** What an architecture that reads `K` besides the common values gets. */
export type ConfigOf<K extends OwnPath> = Readonly<Pick<ModelValues, CommonPath | K>>

/** A model's configuration with its vocabulary settled; null or absent is what its architecture does not read. */
export type ModelConfig = ConfigOf<never> & { readonly [K in OwnPath]?: ModelValues[K] | null | undefined }

/** logits = scale · x·weightᵀ */
export interface OutputLayer {
  /** [V, C] */
  readonly weight: Tensor
  readonly scale: number
}

/** An architecture that reads the values `K`. */
export interface Architecture<Name extends string, K extends OwnPath> {
  readonly name: Name
  readonly reads: readonly K[]
  /** Values that it reads where they are given, and that are null for what is usual. */
  readonly optional?: readonly OwnPath[]
  /** All parameters, each with its role, in the order of their use. Allocates nothing. */
  declareParameters(config: ConfigOf<K>): readonly ParameterSpec[]
  /** What the output layer reads: ids i32 [B, T] -> [N, C], N = B·T. */
  hidden(parameters: TracedParameters, config: ConfigOf<K>, ids: Tensor, pass: Pass): Tensor
  outputLayer(parameters: TracedParameters, config: ConfigOf<K>): OutputLayer
  /** Keys that a query of the layer sees, its own included; 0 for all before it. Default the configuration's window. */
  windowOf?(config: ConfigOf<K>, layer: number): number
}

/** An architecture for callers that know it by name only: its functions take any configuration and check it. */
export interface Model<Name extends string = string, K extends OwnPath = OwnPath> {
  readonly name: Name
  readonly reads: readonly K[]
  readonly optional: readonly OwnPath[]
  declareParameters(config: ModelConfig): readonly ParameterSpec[]
  hidden(parameters: TracedParameters, config: ModelConfig, ids: Tensor, pass: Pass): Tensor
  outputLayer(parameters: TracedParameters, config: ModelConfig): OutputLayer
  windowOf(config: ModelConfig, layer: number): number
}

/** A `Model` whose functions throw where the configuration lacks what the architecture reads. */
export function defineModel<const Name extends string, const K extends OwnPath>(
  architecture: Architecture<Name, K>,
): Model<Name, K> {
  const { name, reads, optional = [] } = architecture
  const read = (config: ModelConfig): ConfigOf<K> => {
    const missing = reads.filter((path) => config[path] === null || config[path] === undefined)
    const given = optional.filter((path) => config[path] !== null && config[path] !== undefined)
    const unread = ownPaths.filter((path) => ![...reads, ...given].some((known) => known === path))
    if (missing.length === 0)
      return { ...config, ...Object.fromEntries(unread.map((path) => [path, undefined])) } as ConfigOf<K>
    throw new Error(`The architecture ${name} reads ${missing.join(', ')}, which its configuration lacks.`)
  }
  return {
    name,
    reads,
    optional,
    declareParameters: (config) => architecture.declareParameters(read(config)),
    hidden: (parameters, config, ids, pass) => architecture.hidden(parameters, read(config), ids, pass),
    outputLayer: (parameters, config) => architecture.outputLayer(parameters, read(config)),
    windowOf: (config, layer) => architecture.windowOf?.(read(config), layer) ?? config.window ?? 0,
  }
}

/** x [R, C] -> logits [R, V] */
export function logitsOf(x: Tensor, { weight, scale }: OutputLayer): Tensor {
  return scope('lm_head', () => matmul(scale === 1 ? x : mul(x, scale), transpose(weight)))
}
