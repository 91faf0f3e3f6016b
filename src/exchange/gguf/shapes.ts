/** What llama.cpp calls the architectures, their values and their tensors (its src/llama-arch.cpp, and gguf-py's constants). */
import type { TensorToMake } from '../../checkpoint/index.ts'
import { ropeDivisors } from '../../nn/rotary.ts'
import type { ModelSettings } from '../pretrained.ts'
import type { GgufValue } from './container.ts'

export interface GgufShape {
  /** `general.architecture`. */
  readonly name: string
  /** Values under `${name}.`. */
  values(model: ModelSettings): ReadonlyMap<string, GgufValue>
  /** Our module name without `.weight` or `.bias` -> theirs; `#` stands for the block. */
  readonly modules: ReadonlyMap<string, string>
  /** Whether rows of queries and keys are moved, since it turns neighbours (see rotaryRows.ts). */
  readonly turnsNeighbours: boolean
  /** The model that it holds, where it has more parameters than ours: those are zero. */
  readonly completed?: (model: ModelSettings) => ModelSettings
  /** Tensors besides the parameters. */
  readonly tables?: (model: ModelSettings) => ReadonlyMap<string, TensorToMake>
  /** Why a model cannot be written; undefined where it can. */
  readonly refuses?: (model: ModelSettings) => string | undefined
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value })
const f32 = (value: number): GgufValue => ({ type: 'f32', value })

const gpt2: GgufShape = {
  name: 'gpt2',
  values: ({ layers, heads, width, context, vocab }) =>
    new Map([
      ['block_count', u32(layers)],
      ['context_length', u32(context)],
      ['embedding_length', u32(width)],
      ['feed_forward_length', u32(4 * width)],
      ['attention.head_count', u32(heads)],
      ['attention.layer_norm_epsilon', f32(1e-5)],
      ['vocab_size', u32(vocab)],
    ]),
  modules: new Map([
    ['wte', 'token_embd'],
    ['wpe', 'position_embd'],
    ['h.#.ln_1', 'blk.#.attn_norm'],
    ['h.#.attn.c_attn', 'blk.#.attn_qkv'],
    ['h.#.attn.c_proj', 'blk.#.attn_output'],
    ['h.#.ln_2', 'blk.#.ffn_norm'],
    ['h.#.mlp.c_fc', 'blk.#.ffn_up'],
    ['h.#.mlp.c_proj', 'blk.#.ffn_down'],
    ['ln_f', 'output_norm'],
  ]),
  turnsNeighbours: false,
  completed: (model) => ({ ...model, bias: true }),
}

function decoderValues(model: ModelSettings): ReadonlyMap<string, GgufValue> {
  const { layers, heads, width, context, vocab } = model
  const headDim = model.headDim ?? width / heads
  return new Map([
    ['block_count', u32(layers)],
    ['context_length', u32(context)],
    ['embedding_length', u32(width)],
    ['feed_forward_length', u32(model.feedForward ?? 4 * width)],
    ['attention.head_count', u32(heads)],
    ['attention.head_count_kv', u32(model.kvHeads ?? heads)],
    ['attention.key_length', u32(headDim)],
    ['attention.value_length', u32(headDim)],
    ['attention.layer_norm_rms_epsilon', f32(model.normEps ?? 1e-5)],
    ['rope.dimension_count', u32(headDim)],
    ['rope.freq_base', f32(model.ropeTheta ?? 10_000)],
    ['vocab_size', u32(vocab)],
    ...(model.ropeScaling?.kind === 'linear' ? linearScaling(model.ropeScaling.factor) : []),
  ])
}

function linearScaling(factor: number): readonly (readonly [string, GgufValue])[] {
  return [
    ['rope.scaling.type', { type: 'string', value: 'linear' }],
    ['rope.scaling.factor', f32(factor)],
  ]
}

/** Tensors that no parameter is: what LLaMA 3.1 divides each frequency by. */
function frequencyDivisors({
  width,
  heads,
  headDim,
  ropeTheta,
  ropeScaling,
}: ModelSettings): ReadonlyMap<string, TensorToMake> {
  if (ropeScaling?.kind !== 'llama3') return new Map()
  const divisors = ropeDivisors(headDim ?? width / heads, ropeTheta ?? 10_000, ropeScaling)
  return new Map([
    ['rope_freqs.weight', { shape: [divisors.length], dtype: 'F32', make: () => Float32Array.from(divisors) }],
  ])
}

const DECODER_MODULES = [
  ['embed_tokens', 'token_embd'],
  ['layers.#.input_layernorm', 'blk.#.attn_norm'],
  ['layers.#.self_attn.q_proj', 'blk.#.attn_q'],
  ['layers.#.self_attn.k_proj', 'blk.#.attn_k'],
  ['layers.#.self_attn.v_proj', 'blk.#.attn_v'],
  ['layers.#.self_attn.o_proj', 'blk.#.attn_output'],
  ['layers.#.post_attention_layernorm', 'blk.#.ffn_norm'],
  ['layers.#.mlp.gate_proj', 'blk.#.ffn_gate'],
  ['layers.#.mlp.up_proj', 'blk.#.ffn_up'],
  ['layers.#.mlp.down_proj', 'blk.#.ffn_down'],
  ['norm', 'output_norm'],
  ['lm_head', 'output'],
] as const

const llama: GgufShape = {
  name: 'llama',
  values: decoderValues,
  modules: new Map(DECODER_MODULES),
  tables: frequencyDivisors,
  turnsNeighbours: true,
}

const mistral: GgufShape = {
  ...llama,
  refuses: ({ window, context }) =>
    (window ?? 0) > 0 && (window ?? 0) < context
      ? `llama.cpp's architecture llama sees all positions, and this model the last ${window} of ${context}`
      : undefined,
}

const qwen3: GgufShape = {
  name: 'qwen3',
  values: decoderValues,
  modules: new Map([
    ...DECODER_MODULES,
    ['layers.#.self_attn.q_norm', 'blk.#.attn_q_norm'],
    ['layers.#.self_attn.k_norm', 'blk.#.attn_k_norm'],
  ]),
  refuses: ({ ropeScaling }) =>
    ropeScaling?.kind === 'llama3' ? "llama.cpp's qwen3 stretches no wavelengths as LLaMA 3.1 does" : undefined,
  turnsNeighbours: false,
}

/** By the names of our architectures. */
export const GGUF_SHAPES: ReadonlyMap<string, GgufShape> = new Map([
  ['gpt2', gpt2],
  ['llama', llama],
  ['mistral', mistral],
  ['qwen3', qwen3],
])
