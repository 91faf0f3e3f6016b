/**
 * GPT-2, one whole training step, in loops.
 *
 * This file is the project's oracle and its tutorial. It reads top to bottom: the parameters, each layer with its way
 * back below its way forward, the model, the optimizer, the training loop. The compiled engine is held against the
 * numbers that come out of here: logits, loss, every gradient by name, the first losses of a run.
 *
 * What it refuses to do: be fast, use threads or vector instructions, reuse memory, dropout, generate text or keep a
 * key-value cache, mix precisions, differentiate anything but this model. It imports nothing.
 *
 * Numbers. Every sum is collected in float64. With `float64` it stays so; with `float32` each result (activation,
 * gradient, weight, optimizer moment) is rounded once when it is stored. All tensors are dense and row-major.
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width, H heads of D = C/H, V = vocabulary.
 *
 * The model (Radford et al., 2019), pre-LN, with the head tied to the token embedding:
 *
 *     x = wte[ids] + wpe[0..T]
 *     for each block:  x = x + attention(layerNorm(x));  x = x + mlp(layerNorm(x))
 *     logits = layerNorm(x) · wteᵀ;  loss = mean cross-entropy
 */

export type Precision = 'float64' | 'float32'
export type Numbers = Float64Array | Float32Array
/** Dense row-major arrays by parameter name, in the order of `parameterShapes`. */
export type Tensors = ReadonlyMap<string, Numbers>

export interface GptConfig {
  readonly layers: number
  readonly heads: number
  /** C; a multiple of `heads`. */
  readonly width: number
  /** The longest T: the number of learned positions. */
  readonly context: number
  readonly vocab: number
  /** Whether linear layers and layer norms have a bias (GPT-2: yes; nanoGPT's default: no). */
  readonly bias: boolean
}

/** A target with this value adds nothing to the loss (as in nanoGPT; PyTorch's own default is -100). */
export const IGNORED_TARGET = -1
/** GPT-2's layer-norm epsilon. */
const LAYER_NORM_EPSILON = 1e-5
/** Standard deviation of GPT-2's initial weights. */
const INITIAL_DEVIATION = 0.02
/** What PyTorch's clip_grad_norm_ adds to the norm before it divides. */
const CLIP_EPSILON = 1e-6

// ---------------------------------------------------------------------------------------------------- parameters

/**
 * Name and shape of every parameter, in order: Hugging Face's GPT-2 names without the `transformer.` prefix.
 * Linear weights are [in, out], because y = x·W + b. The head has no entry: it is `wte.weight`.
 */
export function parameterShapes(config: GptConfig): Map<string, number[]> {
  const { layers, width: C, context, vocab, bias } = config
  const shapes = new Map<string, number[]>()
  const norm = (name: string): void => {
    shapes.set(`${name}.weight`, [C])
    if (bias) shapes.set(`${name}.bias`, [C])
  }
  const linear = (name: string, inputs: number, outputs: number): void => {
    shapes.set(`${name}.weight`, [inputs, outputs])
    if (bias) shapes.set(`${name}.bias`, [outputs])
  }
  shapes.set('wte.weight', [vocab, C])
  shapes.set('wpe.weight', [context, C])
  for (let i = 0; i < layers; i++) {
    norm(`h.${i}.ln_1`)
    linear(`h.${i}.attn.c_attn`, C, 3 * C) // queries, keys, values side by side
    linear(`h.${i}.attn.c_proj`, C, C)
    norm(`h.${i}.ln_2`)
    linear(`h.${i}.mlp.c_fc`, C, 4 * C)
    linear(`h.${i}.mlp.c_proj`, 4 * C, C)
  }
  norm('ln_f')
  return shapes
}

/**
 * GPT-2's initial weights, the same bits everywhere: normal with deviation 0.02, the projections that add to the
 * residual stream scaled by 1/√(2·layers) (Radford et al., 2019, section 2.3), gains 1, biases 0.
 *
 * Uniform numbers come from mulberry32 (Tommy Ettinger, public domain); a normal one is the sum of twelve, less six
 * (mean 0, variance 1, additions only, so no mathematics library can change a bit).
 */
export function initialParameters(config: GptConfig, seed: number, precision: Precision): Map<string, Numbers> {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32
  }
  const normal = (): number => {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += uniform()
    return sum
  }
  const parameters = new Map<string, Numbers>()
  for (const [name, shape] of parameterShapes(config)) {
    const values = new Float64Array(elements(shape))
    if (shape.length === 1) {
      values.fill(name.endsWith('.bias') ? 0 : 1)
    } else {
      const residual = name.endsWith('.c_proj.weight') ? 1 / Math.sqrt(2 * config.layers) : 1
      for (let i = 0; i < values.length; i++) values[i] = normal() * INITIAL_DEVIATION * residual
    }
    parameters.set(name, stored(values, precision))
  }
  return parameters
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Rounds once to the storage precision. */
function stored(sums: Float64Array, precision: Precision): Numbers {
  return precision === 'float64' ? sums : Float32Array.from(sums)
}

// ------------------------------------------------------------------------------------------ what the layers share

/** What a pass starts from; ids and targets are [B·T], sequence after sequence. */
export type Inputs = [
  config: GptConfig,
  parameters: Tensors,
  ids: ArrayLike<number>,
  targets: ArrayLike<number>,
  B: number,
  T: number,
  precision: Precision,
]

/** One pass over one batch: what every layer may read, and where it adds its parameters' gradients. */
interface Pass {
  readonly config: GptConfig
  readonly weights: Tensors
  /** dLoss/dParameter by name, in float64, zero at the start; `backward` adds to it. */
  readonly gradients: ReadonlyMap<string, Float64Array>
  readonly precision: Precision
  readonly T: number
  readonly N: number
}

/** A layer's result, and the way back: from dLoss/dy to dLoss/dx, adding to the gradients of its own parameters. */
interface Layer {
  readonly y: Numbers
  backward(dy: Numbers): Numbers
}

/** Refuses what would otherwise be read as undefined and turn into NaN. */
function startPass(...[config, weights, ids, targets, B, T, precision]: Inputs): Pass {
  const { width, heads, context, vocab } = config
  if (width % heads !== 0) throw new Error(`width ${width} is not a multiple of heads ${heads}; choose one that is`)
  if (T > context) throw new Error(`T is ${T}, but the model has ${context} positions; use shorter rows`)
  const shapes = parameterShapes(config)
  const stranger = [...weights.keys()].find((name) => !shapes.has(name))
  if (stranger) throw new Error(`parameter ${stranger} is none of this model's; see parameterShapes and config.bias`)
  const gradients = new Map<string, Float64Array>()
  for (const [name, shape] of shapes) {
    const values = weights.get(name)
    const size = elements(shape)
    if (values?.length !== size) {
      throw new Error(`parameter ${name} has ${values?.length ?? 'no'} numbers, expected ${size}: [${shape}]`)
    }
    if ((precision === 'float64') !== values instanceof Float64Array) {
      throw new Error(`parameter ${name} is a ${values.constructor.name}, expected ${precision}; convert it first`)
    }
    gradients.set(name, new Float64Array(size))
  }
  const checkIds = (what: string, list: ArrayLike<number>, least: number): void => {
    if (list.length !== B * T) throw new Error(`${what} has ${list.length} entries, expected B·T = ${B}·${T}`)
    for (let n = 0; n < B * T; n++) {
      if (Number.isInteger(list[n]) && list[n]! >= least && list[n]! < vocab) continue
      throw new Error(`${what}[${n}] is ${list[n]}, expected an integer from ${least} to ${vocab - 1}`)
    }
  }
  checkIds('ids', ids, 0)
  checkIds('targets', targets, IGNORED_TARGET)
  return { config, weights, gradients, precision, T, N: B * T }
}

// --------------------------------------------------------------------------------------------------------- linear

/**
 * y[n,o] = b[o] + Σ_i x[n,i] · W[i,o]
 * dW[i,o] = Σ_n x[n,i] · dy[n,o]     db[o] = Σ_n dy[n,o]     dx[n,i] = Σ_o dy[n,o] · W[i,o]
 */
function linear({ weights, gradients, precision, N }: Pass, name: string, x: Numbers): Layer {
  const W = weights.get(`${name}.weight`)! // [I, O]
  const b = weights.get(`${name}.bias`) // [O], or none
  const I = x.length / N
  const O = W.length / I
  const y = new Float64Array(N * O) // [N, O]
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) y[n * O + o] = b ? b[o]! : 0
    for (let i = 0; i < I; i++) {
      for (let o = 0; o < O; o++) y[n * O + o]! += x[n * I + i]! * W[i * O + o]!
    }
  }
  const backward = (dy: Numbers): Numbers => {
    const dW = gradients.get(`${name}.weight`)!
    const db = gradients.get(`${name}.bias`)
    const dx = new Float64Array(N * I) // [N, I]
    for (let n = 0; n < N; n++) {
      if (db) for (let o = 0; o < O; o++) db[o]! += dy[n * O + o]!
      for (let i = 0; i < I; i++) {
        for (let o = 0; o < O; o++) {
          dx[n * I + i]! += dy[n * O + o]! * W[i * O + o]!
          dW[i * O + o]! += x[n * I + i]! * dy[n * O + o]!
        }
      }
    }
    return stored(dx, precision)
  }
  return { y: stored(y, precision), backward }
}

// ----------------------------------------------------------------------------------------------------- layer norm

/**
 * Over each row: x̂ = (x − μ)/σ,  1/σ = 1/√(mean((x − μ)²) + ε),  y[n,c] = x̂[n,c] · gain[c] + bias[c]
 *
 * dgain[c] = Σ_n dy[n,c] · x̂[n,c]     dbias[c] = Σ_n dy[n,c]
 * With dx̂ = dy · gain, and μ and σ both functions of the row:
 * dx = (dx̂ − mean_c(dx̂) − x̂ · mean_c(dx̂ · x̂)) / σ
 */
function layerNorm({ config, weights, gradients, precision, N }: Pass, name: string, x: Numbers): Layer {
  const C = config.width
  const gain = weights.get(`${name}.weight`)! // [C]
  const bias = weights.get(`${name}.bias`) // [C], or none
  const hat = new Float64Array(N * C) // x̂ [N, C]
  const inverse = new Float64Array(N) // 1/σ [N]
  const y = new Float64Array(N * C) // [N, C]
  for (let n = 0; n < N; n++) {
    let mean = 0
    for (let c = 0; c < C; c++) mean += x[n * C + c]! / C
    let variance = 0
    for (let c = 0; c < C; c++) variance += (x[n * C + c]! - mean) ** 2 / C
    inverse[n] = 1 / Math.sqrt(variance + LAYER_NORM_EPSILON)
    for (let c = 0; c < C; c++) {
      hat[n * C + c] = (x[n * C + c]! - mean) * inverse[n]!
      y[n * C + c] = hat[n * C + c]! * gain[c]! + (bias ? bias[c]! : 0)
    }
  }
  const backward = (dy: Numbers): Numbers => {
    const dgain = gradients.get(`${name}.weight`)!
    const dbias = gradients.get(`${name}.bias`)
    const dx = new Float64Array(N * C) // [N, C]
    for (let n = 0; n < N; n++) {
      let meanSlope = 0 // mean_c(dx̂)
      let meanProduct = 0 // mean_c(dx̂ · x̂)
      for (let c = 0; c < C; c++) {
        const slope = dy[n * C + c]! * gain[c]!
        meanSlope += slope / C
        meanProduct += (slope * hat[n * C + c]!) / C
        dgain[c]! += dy[n * C + c]! * hat[n * C + c]!
        if (dbias) dbias[c]! += dy[n * C + c]!
      }
      for (let c = 0; c < C; c++) {
        const slope = dy[n * C + c]! * gain[c]!
        dx[n * C + c] = (slope - meanSlope - hat[n * C + c]! * meanProduct) * inverse[n]!
      }
    }
    return stored(dx, precision)
  }
  return { y: stored(y, precision), backward }
}

// ------------------------------------------------------------------------------------------------------ attention

/**
 * The weights a[u] with which row n of head h reads the rows u ≤ t of its own sequence, t being n's place there:
 * s[u] = q[n] · k[u] / √D      a[u] = exp(s[u] − max s) / Σ_w exp(s[w] − max s)
 *
 * A row of qkv is q of all heads, then k, then v. Also returns where q[n], k[u] and v[u] of the head start in qkv.
 */
function attend({ config, T }: Pass, qkv: Numbers, n: number, h: number) {
  const C = config.width
  const D = C / config.heads
  const first = n - (n % T) // the row that begins the sequence
  const q = n * 3 * C + h * D
  const k = (u: number): number => (first + u) * 3 * C + C + h * D
  const v = (u: number): number => (first + u) * 3 * C + 2 * C + h * D
  const s = new Float64Array((n % T) + 1) // [t + 1]
  for (let u = 0; u < s.length; u++) {
    for (let d = 0; d < D; d++) s[u]! += (qkv[q + d]! * qkv[k(u) + d]!) / Math.sqrt(D)
  }
  const max = s.reduce((most, score) => Math.max(most, score))
  const total = s.reduce((sum, score) => sum + Math.exp(score - max), 0)
  return { a: s.map((score) => Math.exp(score - max) / total), q, k, v }
}

/**
 * Causal attention, each head in its own D columns: y[n] = Σ_u a[u] · v[u]
 *
 * dv[u] = Σ_n a[u] · dy[n]     da[u] = dy[n] · v[u]     ds[u] = a[u] · (da[u] − Σ_w a[w] · da[w])
 * dq[n] = Σ_u ds[u] · k[u] / √D     dk[u] = Σ_n ds[u] · q[n] / √D
 */
function attention(pass: Pass, qkv: Numbers): Layer {
  const { width: C, heads } = pass.config
  const D = C / heads
  const y = new Float64Array(pass.N * C) // [N, C]
  for (let n = 0; n < pass.N; n++) {
    for (let h = 0; h < heads; h++) {
      const { a, v } = attend(pass, qkv, n, h)
      for (let u = 0; u < a.length; u++) {
        for (let d = 0; d < D; d++) y[n * C + h * D + d]! += a[u]! * qkv[v(u) + d]!
      }
    }
  }
  const backward = (dy: Numbers): Numbers => {
    const dqkv = new Float64Array(qkv.length) // [N, 3C]
    for (let n = 0; n < pass.N; n++) {
      for (let h = 0; h < heads; h++) {
        const { a, q, k, v } = attend(pass, qkv, n, h)
        const da = new Float64Array(a.length)
        let mean = 0 // Σ_w a[w] · da[w]
        for (let u = 0; u < a.length; u++) {
          for (let d = 0; d < D; d++) {
            da[u]! += dy[n * C + h * D + d]! * qkv[v(u) + d]!
            dqkv[v(u) + d]! += a[u]! * dy[n * C + h * D + d]!
          }
          mean += a[u]! * da[u]!
        }
        for (let u = 0; u < a.length; u++) {
          const ds = (a[u]! * (da[u]! - mean)) / Math.sqrt(D)
          for (let d = 0; d < D; d++) {
            dqkv[q + d]! += ds * qkv[k(u) + d]!
            dqkv[k(u) + d]! += ds * qkv[q + d]!
          }
        }
      }
    }
    return stored(dqkv, pass.precision)
  }
  return { y: stored(y, pass.precision), backward }
}

// ---------------------------------------------------------------------------------------------- GELU and residual

/**
 * The tanh form (Hendrycks & Gimpel, 2016): y = x/2 · (1 + tanh z),  z = √(2/π) · (x + 0.044715·x³)
 * dy/dx = (1 + tanh z)/2 + x/2 · (1 − tanh² z) · dz/dx,   dz/dx = √(2/π) · (1 + 3·0.044715·x²)
 */
function gelu({ precision }: Pass, x: Numbers): Layer {
  const y = new Float64Array(x.length)
  const slope = new Float64Array(x.length) // dy/dx
  for (let i = 0; i < x.length; i++) {
    const tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (x[i]! + 0.044715 * x[i]! ** 3))
    const dz = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x[i]! ** 2)
    y[i] = (x[i]! / 2) * (1 + tanh)
    slope[i] = (1 + tanh) / 2 + (x[i]! / 2) * (1 - tanh ** 2) * dz
  }
  const product = (dy: Numbers): Float64Array => slope.map((value, i) => value * dy[i]!)
  return { y: stored(y, precision), backward: (dy) => stored(product(dy), precision) }
}

/** x + y: a residual connection forward; where two paths meet, their gradients backward. */
function add({ precision }: Pass, x: Numbers, y: Numbers): Numbers {
  const sum = new Float64Array(x.length)
  for (let i = 0; i < x.length; i++) sum[i] = x[i]! + y[i]!
  return stored(sum, precision)
}

// ---------------------------------------------------------------------------------------------- embedding and head

/**
 * x[n,c] = wte[ids[n], c] + wpe[t, c],  t = n's place in its sequence
 * dwte[ids[n]] += dx[n]     dwpe[t] += dx[n].  A token met twice collects twice.
 */
function embed({ config, weights, gradients, precision, T, N }: Pass, ids: ArrayLike<number>) {
  const C = config.width
  const wte = weights.get('wte.weight')! // [V, C]
  const wpe = weights.get('wpe.weight')! // [context, C]
  const x = new Float64Array(N * C) // [N, C]
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) x[n * C + c] = wte[ids[n]! * C + c]! + wpe[(n % T) * C + c]!
  }
  const backward = (dx: Numbers): void => {
    const dwte = gradients.get('wte.weight')!
    const dwpe = gradients.get('wpe.weight')!
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        dwte[ids[n]! * C + c]! += dx[n * C + c]!
        dwpe[(n % T) * C + c]! += dx[n * C + c]!
      }
    }
  }
  return { x: stored(x, precision), backward }
}

/**
 * The head is the token embedding, read the other way: logits[n,v] = Σ_c x[n,c] · wte[v,c]
 * dx[n,c] = Σ_v dlogits[n,v] · wte[v,c]     dwte[v,c] += Σ_n dlogits[n,v] · x[n,c]: the tied tensor's other half.
 */
function head({ config, weights, gradients, precision, N }: Pass, x: Numbers): Layer {
  const { width: C, vocab: V } = config
  const wte = weights.get('wte.weight')! // [V, C]
  const logits = new Float64Array(N * V) // [N, V]
  for (let n = 0; n < N; n++) {
    for (let v = 0; v < V; v++) {
      for (let c = 0; c < C; c++) logits[n * V + v]! += x[n * C + c]! * wte[v * C + c]!
    }
  }
  const backward = (dlogits: Numbers): Numbers => {
    const dwte = gradients.get('wte.weight')!
    const dx = new Float64Array(N * C) // [N, C]
    for (let n = 0; n < N; n++) {
      for (let v = 0; v < V; v++) {
        for (let c = 0; c < C; c++) {
          dx[n * C + c]! += dlogits[n * V + v]! * wte[v * C + c]!
          dwte[v * C + c]! += dlogits[n * V + v]! * x[n * C + c]!
        }
      }
    }
    return stored(dx, precision)
  }
  return { y: stored(logits, precision), backward }
}

// ----------------------------------------------------------------------------------------------------------- loss

/**
 * Over the M rows whose target y is not ignored:  loss = 1/M · Σ_n (log Σ_v exp(l[n,v]) − l[n,y])
 * dlogits[n,v] = (softmax(l[n])[v] − [v = y]) / M,  and 0 in an ignored row.
 */
function crossEntropy({ config, precision, N }: Pass, logits: Numbers, targets: ArrayLike<number>) {
  const V = config.vocab
  let M = 0
  for (let n = 0; n < N; n++) if (targets[n] !== IGNORED_TARGET) M++
  if (M === 0) throw new Error(`all ${N} targets are ${IGNORED_TARGET} (ignored): a mean over no target has no value`)
  const dlogits = new Float64Array(N * V) // [N, V]
  let loss = 0
  for (let n = 0; n < N; n++) {
    const y = targets[n]!
    if (y === IGNORED_TARGET) continue
    let max = -Infinity
    for (let v = 0; v < V; v++) max = Math.max(max, logits[n * V + v]!)
    let total = 0
    for (let v = 0; v < V; v++) total += Math.exp(logits[n * V + v]! - max)
    for (let v = 0; v < V; v++) dlogits[n * V + v] = Math.exp(logits[n * V + v]! - max) / total / M
    dlogits[n * V + y]! -= 1 / M
    loss += (max + Math.log(total) - logits[n * V + y]!) / M
  }
  return { loss, dlogits: stored(dlogits, precision) }
}

// ---------------------------------------------------------------------------------------------------------- model

/** One block, [N, C] to [N, C]. On the way back a residual hands its gradient to both of its paths. */
function block(pass: Pass, name: string, x: Numbers): Layer {
  const norm1 = layerNorm(pass, `${name}.ln_1`, x) // [N, C]
  const qkv = linear(pass, `${name}.attn.c_attn`, norm1.y) // [N, 3C]
  const mixed = attention(pass, qkv.y) // [N, C]
  const attended = linear(pass, `${name}.attn.c_proj`, mixed.y) // [N, C]
  const middle = add(pass, x, attended.y) // [N, C]
  const norm2 = layerNorm(pass, `${name}.ln_2`, middle) // [N, C]
  const hidden = linear(pass, `${name}.mlp.c_fc`, norm2.y) // [N, 4C]
  const active = gelu(pass, hidden.y) // [N, 4C]
  const thought = linear(pass, `${name}.mlp.c_proj`, active.y) // [N, C]
  const backward = (dy: Numbers): Numbers => {
    const dactive = thought.backward(dy)
    const dmiddle = add(pass, dy, norm2.backward(hidden.backward(active.backward(dactive))))
    const dmixed = attended.backward(dmiddle)
    return add(pass, dmiddle, norm1.backward(qkv.backward(mixed.backward(dmixed))))
  }
  return { y: add(pass, middle, thought.y), backward }
}

/** From token ids to logits [N, V]; `backward` goes from dLoss/dlogits to every gradient. */
function model(pass: Pass, ids: ArrayLike<number>) {
  const embedding = embed(pass, ids)
  const layers: Layer[] = []
  let x = embedding.x
  for (let i = 0; i < pass.config.layers; i++) {
    layers[i] = block(pass, `h.${i}`, x)
    x = layers[i]!.y
  }
  const norm = layerNorm(pass, 'ln_f', x)
  const top = head(pass, norm.y)
  const backward = (dlogits: Numbers): void => {
    let dx = norm.backward(top.backward(dlogits))
    for (const layer of layers.toReversed()) dx = layer.backward(dx)
    embedding.backward(dx)
  }
  return { logits: top.y, backward }
}

/**
 * Loss and logits [B·T, V] of one batch: `forward(config, parameters, ids, targets, B, T, precision)`.
 * Throws where a parameter is missing or of another size or precision, or an id is outside the vocabulary.
 */
export function forward(...inputs: Inputs): { loss: number; logits: Numbers } {
  const [, , ids, targets] = inputs
  const pass = startPass(...inputs)
  const { logits } = model(pass, ids)
  return { loss: crossEntropy(pass, logits, targets).loss, logits }
}

/** As `forward`, and dLoss/dParameter for every parameter, by name and in the order of `parameterShapes`. */
export function lossAndGradients(...inputs: Inputs): {
  loss: number
  logits: Numbers
  gradients: Map<string, Numbers>
} {
  const [, , ids, targets, , , precision] = inputs
  const pass = startPass(...inputs)
  const { logits, backward } = model(pass, ids)
  const { loss, dlogits } = crossEntropy(pass, logits, targets)
  backward(dlogits)
  const gradients = new Map([...pass.gradients].map(([name, sums]) => [name, stored(sums, precision)] as const))
  return { loss, logits, gradients }
}

// ------------------------------------------------------------------------------------------------------ optimizer

/** First and second moment of each parameter's gradient, by name. */
export interface AdamwState {
  readonly m: Map<string, Numbers>
  readonly v: Map<string, Numbers>
}

export interface AdamwOptions {
  readonly learningRate: number // lr of this step; a schedule hands in another at each
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: ReadonlyMap<string, number> // λ by name, for every parameter; 0 where nothing decays
  readonly step: number // t, counted from 1
  readonly clipNorm?: number | undefined // largest norm of all gradients together; without it nothing is clipped
}

/** Moments of zero, stored as the parameters are. */
export function adamwState(parameters: Tensors): AdamwState {
  const zeros = () => new Map([...parameters].map(([name, values]) => [name, values.map(() => 0)]))
  return { m: zeros(), v: zeros() }
}

/** Euclidean norm of all tensors taken as one vector. */
export function globalNorm(tensors: Tensors): number {
  let squares = 0
  for (const values of tensors.values()) for (let i = 0; i < values.length; i++) squares += values[i]! ** 2
  return Math.sqrt(squares)
}

/**
 * One step of AdamW (Loshchilov & Hutter, 2019) exactly as PyTorch's `torch.optim.AdamW`, in place:
 *
 *     g ← g · min(1, clipNorm / (‖g‖ + 1e-6))             norm over all parameters (clip_grad_norm_)
 *     m ← β1·m + (1 − β1)·g            m̂ = m / (1 − β1ᵗ)
 *     v ← β2·v + (1 − β2)·g²           v̂ = v / (1 − β2ᵗ)
 *     p ← p·(1 − lr·λ) − lr·m̂ / (√v̂ + ε)
 *
 * The decay is multiplied by lr and never passes through m and v: that is all that "decoupled" means.
 *
 * @returns ‖g‖ before clipping
 */
export function adamwStep(parameters: Tensors, gradients: Tensors, state: AdamwState, options: AdamwOptions): number {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step, clipNorm } = options
  const norm = globalNorm(gradients)
  const scale = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (norm + CLIP_EPSILON))
  const correction1 = 1 - beta1 ** step
  const correction2 = 1 - beta2 ** step
  for (const [name, p] of parameters) {
    const gradient = gradients.get(name)
    const decay = weightDecay.get(name)
    const m = state.m.get(name)
    const v = state.v.get(name)
    if (!gradient || !m || !v) throw new Error(`parameter ${name} has no gradient or no moments (see adamwState)`)
    if (decay === undefined) throw new Error(`weightDecay does not name ${name}; give it 0 if it shall not decay`)
    for (let i = 0; i < p.length; i++) {
      const g = gradient[i]! * scale
      m[i] = beta1 * m[i]! + (1 - beta1) * g
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g
      const direction = m[i]! / correction1 / (Math.sqrt(v[i]! / correction2) + epsilon)
      p[i] = p[i]! * (1 - learningRate * decay) - learningRate * direction
    }
  }
  return norm
}

// ------------------------------------------------------------------------------------------------------- training

/** B sequences of T tokens and, for each token, the one that follows it; both [B·T]. */
export interface Batch {
  readonly ids: ArrayLike<number>
  readonly targets: ArrayLike<number>
  readonly B: number
  readonly T: number
}

/**
 * Trains `parameters` in place, one step per batch, and returns each step's loss (before its update) and gradient norm
 * (before clipping).
 *
 * @param learningRates lr of each step, one per batch: the schedule is the caller's
 */
export function train(
  config: GptConfig,
  parameters: Tensors,
  batches: readonly Batch[],
  learningRates: readonly number[],
  options: Omit<AdamwOptions, 'learningRate' | 'step'>,
  precision: Precision,
): { losses: number[]; gradientNorms: number[] } {
  if (learningRates.length !== batches.length) {
    throw new Error(`${batches.length} batches have ${learningRates.length} learning rates; give one for each`)
  }
  const state = adamwState(parameters)
  const losses: number[] = []
  const gradientNorms: number[] = []
  for (const [index, { ids, targets, B, T }] of batches.entries()) {
    const { loss, gradients } = lossAndGradients(config, parameters, ids, targets, B, T, precision)
    const step = { ...options, learningRate: learningRates[index]!, step: index + 1 }
    losses.push(loss)
    gradientNorms.push(adamwStep(parameters, gradients, state, step))
  }
  return { losses, gradientNorms }
}
