/**
 * Every architecture again, in plain loops over float64, one sequence at a time, as its paper and Hugging Face's code say:
 * the tests hold the traced models against these.
 */
import type { ModelConfig } from './index.ts'

type Row = readonly number[]
type Rows = readonly Row[]
type Weights = ReadonlyMap<string, ArrayLike<number>>
type Config = ModelConfig & { readonly [K in keyof ModelConfig]?: unknown }
/** ids of one sequence -> its logits */
export type Oracle = (weights: Weights, config: Config, ids: readonly number[]) => Rows

const plus = (...terms: readonly Rows[]): Rows =>
  terms[0]!.map((row, t) => row.map((_, c) => terms.reduce((sum, term) => sum + term[t]![c]!, 0)))
const silu = (x: number): number => x / (1 + Math.exp(-x))
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
const geluErf = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2))

/** By its Taylor series, which is exact enough for the small arguments here. */
function erf(x: number): number {
  let term = x
  let total = x
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n
    total += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * total
}

function need(weights: Weights, name: string): ArrayLike<number> {
  const found = weights.get(name)
  if (!found) throw new Error(`The oracle wants ${name}.`)
  return found
}

function rowOf(table: ArrayLike<number>, index: number, width: number): Row {
  return Array.from({ length: width }, (_, c) => table[index * width + c]!)
}

/** x W + b, W [in, out] */
function linear(weights: Weights, name: string, x: Rows): Rows {
  const w = need(weights, `${name}.weight`)
  const bias = weights.get(`${name}.bias`)
  const out = w.length / x[0]!.length
  return x.map((row) =>
    Array.from({ length: out }, (_, o) => row.reduce((sum, v, i) => sum + v * w[i * out + o]!, bias?.[o] ?? 0)),
  )
}

/** x Wᵀ, W [out, in], times a factor */
function head(weights: Weights, name: string, x: Rows, factor = 1): Rows {
  const w = need(weights, name)
  const width = x[0]!.length
  return x.map((row) =>
    Array.from({ length: w.length / width }, (_, o) => {
      return factor * row.reduce((sum, v, i) => sum + v * w[o * width + i]!, 0)
    }),
  )
}

function layerNorm(weights: Weights, name: string, x: Rows, epsilon: number): Rows {
  const gain = need(weights, `${name}.weight`)
  const bias = weights.get(`${name}.bias`)
  return x.map((row) => {
    const mean = row.reduce((a, b) => a + b) / row.length
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length
    return row.map((v, c) => ((v - mean) / Math.sqrt(variance + epsilon)) * gain[c]! + (bias?.[c] ?? 0))
  })
}

function rmsNorm(weights: Weights, name: string, x: Rows, epsilon: number): Rows {
  const gain = need(weights, `${name}.weight`)
  return x.map((row) => {
    const square = row.reduce((sum, v) => sum + v * v, 0) / row.length
    return row.map((v, c) => (v / Math.sqrt(square + epsilon)) * gain[c]!)
  })
}

/** Applies `change` to each slice of `width` elements. */
function byHead(x: Rows, width: number, change: (head: Row, t: number) => Row): Rows {
  return x.map((row, t) =>
    Array.from({ length: row.length / width }, (_, h) => change(row.slice(h * width, (h + 1) * width), t)).flat(),
  )
}

/** Element i < R/2 of each head with i + R/2, by the angle t · θ^(−2i/R). */
function rope(x: Rows, headDim: number, rotated: number, theta: number): Rows {
  const half = rotated / 2
  return byHead(x, headDim, (row, t) =>
    row.map((v, c) => {
      if (c >= rotated) return v
      const angle = t * theta ** ((-2 * (c % half)) / rotated)
      const partner = c < half ? -row[c + half]! : row[c - half]!
      return v * Math.cos(angle) + partner * Math.sin(angle)
    }),
  )
}

interface Heads {
  readonly headDim: number
  readonly heads: number
  readonly kvHeads: number
  /** 0 for all. */
  readonly window?: number
  /** 0 for none. */
  readonly softCap?: number
}

/** Query t sees keys j ≤ t with t − j < window. */
function attend(q: Rows, k: Rows, v: Rows, { headDim, heads, kvHeads, window = 0, softCap = 0 }: Heads): Rows {
  return q.map((row, t) =>
    Array.from({ length: heads }, (_, h) => {
      const group = Math.floor(h / (heads / kvHeads))
      const seen = k.map((_, j) => j).filter((j) => j <= t && (window === 0 || t - j < window))
      const scores = seen.map((j) => {
        let dot = 0
        for (let d = 0; d < headDim; d++) dot += row[h * headDim + d]! * k[j]![group * headDim + d]!
        const score = dot / Math.sqrt(headDim)
        return Math.exp(softCap === 0 ? score : softCap * Math.tanh(score / softCap))
      })
      const total = scores.reduce((a, b) => a + b)
      return Array.from({ length: headDim }, (_, d) =>
        seen.reduce((sum, j, n) => sum + (scores[n]! / total) * v[j]![group * headDim + d]!, 0),
      )
    }).flat(),
  )
}

function swiglu(weights: Weights, name: string, x: Rows): Rows {
  const [gate, up] = [linear(weights, `${name}.gate_proj`, x), linear(weights, `${name}.up_proj`, x)]
  return linear(
    weights,
    `${name}.down_proj`,
    gate.map((row, t) => row.map((v, c) => silu(v) * up[t]![c]!)),
  )
}

/** The k experts of largest softmax, each times its share; `names` are those of gate, up and down, tensors of all experts. */
function mixture(
  weights: Weights,
  name: string,
  x: Rows,
  { experts: count, expertsPerToken }: Config,
  names: readonly [string, string, string],
  activation: (v: number) => number,
  renormalized: boolean,
): Rows {
  const [gate, up, down] = names.map((part) => need(weights, `${name}.experts.${part}.weight`))
  const through = (row: Row, w: ArrayLike<number>, expert: number): Row => {
    const width = w.length / count! / row.length
    const first = expert * row.length * width
    return Array.from({ length: width }, (_, o) => row.reduce((sum, v, i) => sum + v * w[first + i * width + o]!, 0))
  }
  return linear(weights, `${name}.gate`, x).map((logits, t) => {
    const powers = logits.map(Math.exp)
    const chosen = [...powers.keys()].toSorted((a, b) => powers[b]! - powers[a]!).slice(0, expertsPerToken!)
    const whole = (renormalized ? chosen.map((e) => powers[e]!) : powers).reduce((a, b) => a + b)
    const outputs = chosen.map((e) => {
      const linearly = through(x[t]!, up!, e)
      const active = through(x[t]!, gate!, e).map((v, j) => activation(v) * linearly[j]!)
      return through(active, down!, e).map((v) => (v * powers[e]!) / whole)
    })
    return x[t]!.map((_, c) => outputs.reduce((sum, output) => sum + output[c]!, 0))
  })
}

const gpt: Oracle = (weights, config, ids) => {
  const { layers, heads, width } = config
  const headDim = width / heads
  const [tokens, positions] = [need(weights, 'wte.weight'), need(weights, 'wpe.weight')]
  let x: Rows = ids.map((id, t) => plus([rowOf(tokens, id, width)], [rowOf(positions, t, width)])[0]!)
  for (let i = 0; i < layers; i++) {
    const packed = linear(weights, `h.${i}.attn.c_attn`, layerNorm(weights, `h.${i}.ln_1`, x, 1e-5))
    const [q, k, v] = [0, 1, 2].map((part) => packed.map((row) => row.slice(part * width, (part + 1) * width)))
    const window = i % 2 === 1 ? (config.window ?? 0) : 0
    const mixed = attend(q!, k!, v!, { headDim, heads, kvHeads: heads, window })
    x = plus(x, linear(weights, `h.${i}.attn.c_proj`, mixed))
    const inner = linear(weights, `h.${i}.mlp.c_fc`, layerNorm(weights, `h.${i}.ln_2`, x, 1e-5))
    x = plus(
      x,
      linear(
        weights,
        `h.${i}.mlp.c_proj`,
        inner.map((row) => row.map(geluTanh)),
      ),
    )
  }
  return head(weights, 'wte.weight', layerNorm(weights, 'ln_f', x, 1e-5))
}

/** q_proj, k_proj, v_proj, norms, rotation, o_proj */
function grouped(weights: Weights, name: string, x: Rows, config: Config, qkNorm?: 'head' | 'row'): Rows {
  const { heads, kvHeads, ropeTheta, normEps, window, softCap } = config
  const headDim = config.headDim ?? config.width / heads
  const turned = (part: 'q' | 'k'): Rows => {
    let y = linear(weights, `${name}.${part}_proj`, x)
    if (qkNorm === 'row') y = rmsNorm(weights, `${name}.${part}_norm`, y, normEps!)
    if (qkNorm === 'head')
      y = byHead(y, headDim, (row) => rmsNorm(weights, `${name}.${part}_norm`, [row], normEps!)[0]!)
    return rope(y, headDim, headDim, ropeTheta!)
  }
  const v = linear(weights, `${name}.v_proj`, x)
  const options = { headDim, heads, kvHeads: kvHeads!, window: window ?? 0, softCap: softCap ?? 0 }
  const mixed = attend(turned('q'), turned('k'), v, options)
  return linear(weights, `${name}.o_proj`, mixed)
}

const swigluMlp = (weights: Weights, name: string, x: Rows): Rows => swiglu(weights, `${name}.mlp`, x)
const mixtralMlp = (weights: Weights, name: string, x: Rows, config: Config): Rows =>
  mixture(weights, `${name}.block_sparse_moe`, x, config, ['w1', 'w3', 'w2'], silu, true)

const preNorm =
  (qkNorm?: 'head' | 'row', mlp: typeof mixtralMlp = swigluMlp): Oracle =>
  (weights, config, ids) => {
    const { layers, width, normEps } = config
    let x: Rows = ids.map((id) => rowOf(need(weights, 'embed_tokens.weight'), id, width))
    for (let i = 0; i < layers; i++) {
      const name = `layers.${i}`
      const y = rmsNorm(weights, `${name}.input_layernorm`, x, normEps!)
      x = plus(x, grouped(weights, `${name}.self_attn`, y, config, qkNorm))
      x = plus(x, mlp(weights, name, rmsNorm(weights, `${name}.post_attention_layernorm`, x, normEps!), config))
    }
    return head(weights, 'lm_head.weight', rmsNorm(weights, 'norm', x, normEps!))
  }

const postNorm: Oracle = (weights, config, ids) => {
  const { layers, width, normEps } = config
  let x: Rows = ids.map((id) => rowOf(need(weights, 'embed_tokens.weight'), id, width))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    const attended = grouped(weights, `${name}.self_attn`, x, config, 'row')
    x = plus(x, rmsNorm(weights, `${name}.post_attention_layernorm`, attended, normEps!))
    x = plus(x, rmsNorm(weights, `${name}.post_feedforward_layernorm`, swiglu(weights, `${name}.mlp`, x), normEps!))
  }
  return head(weights, 'lm_head.weight', rmsNorm(weights, 'norm', x, normEps!))
}

const palm: Oracle = (weights, config, ids) => {
  const { layers, width, normEps } = config
  let x: Rows = ids.map((id) => rowOf(need(weights, 'embed_tokens.weight'), id, width))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    const y = layerNorm(weights, `${name}.norm`, x, normEps!)
    x = plus(x, grouped(weights, `${name}.self_attn`, y, config), swiglu(weights, `${name}.mlp`, y))
  }
  return head(weights, 'embed_tokens.weight', layerNorm(weights, 'norm', x, normEps!), 1 / Math.sqrt(width))
}

const grok: Oracle = (weights, config, ids) => {
  const { layers, width, normEps } = config
  const norm = (name: string, y: Rows): Rows => rmsNorm(weights, name, y, normEps!)
  const table = need(weights, 'embed_tokens.weight')
  let x: Rows = ids.map((id) => rowOf(table, id, width).map((v) => v * Math.sqrt(width)))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    const attended = grouped(weights, `${name}.attn`, norm(`${name}.pre_attn_norm`, x), config)
    x = plus(x, norm(`${name}.post_attn_norm`, attended))
    const y = norm(`${name}.pre_moe_norm`, x)
    const parts = ['linear', 'linear_v', 'linear_1'] as const
    const thought = mixture(weights, `${name}.moe_block`, y, config, parts, geluTanh, false)
    x = plus(x, norm(`${name}.post_moe_norm`, thought))
  }
  return head(weights, 'embed_tokens.weight', norm('norm', x), 1 / Math.sqrt(3))
}

const neox: Oracle = (weights, config, ids) => {
  const { layers, heads, width, normEps, ropeTheta, rotaryShare } = config
  const headDim = width / heads
  let x: Rows = ids.map((id) => rowOf(need(weights, 'embed_in.weight'), id, width))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    const packed = linear(
      weights,
      `${name}.attention.query_key_value`,
      layerNorm(weights, `${name}.input_layernorm`, x, normEps!),
    )
    const part = (which: number): Rows =>
      byHead(packed, 3 * headDim, (row) => row.slice(which * headDim, (which + 1) * headDim))
    const turned = (y: Rows): Rows => rope(y, headDim, Math.trunc(headDim * rotaryShare!), ropeTheta!)
    const mixed = attend(turned(part(0)), turned(part(1)), part(2), { headDim, heads, kvHeads: heads })
    const inner = linear(
      weights,
      `${name}.mlp.dense_h_to_4h`,
      layerNorm(weights, `${name}.post_attention_layernorm`, x, normEps!),
    ).map((row) => row.map(geluErf))
    x = plus(x, linear(weights, `${name}.attention.dense`, mixed), linear(weights, `${name}.mlp.dense_4h_to_h`, inner))
  }
  return head(weights, 'embed_out.weight', layerNorm(weights, 'final_layer_norm', x, normEps!))
}

export const oracles: Readonly<Record<string, Oracle>> = {
  gpt2: gpt,
  gpt3: gpt,
  llama: preNorm(),
  palm,
  'grok-1': grok,
  mistral: preNorm(),
  mixtral: preNorm(undefined, mixtralMlp),
  'gpt-neox': neox,
  olmo2: postNorm,
  qwen3: preNorm('head'),
}
