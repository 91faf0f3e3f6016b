/** Cases of one op, in the sizes of GPT-2 124M: its matrix products, attention, layer norm, the loss. */
import {
  attention,
  crossEntropy,
  gradient,
  graphFlops,
  layerNorm,
  matmul,
  mean,
  mul,
  precisions,
  sum,
  trace,
  transpose,
  withPrecision,
  type Backend,
  type Graph,
  type MemoryProgramName,
  type Tensor,
  type TraceContext,
} from '../../engine/index.ts'
import type { BenchCase, PreparedCase } from './benchCase.ts'
import { fillInputs } from './fill.ts'

const WIDTH = 768
const VOCAB = 50257
const FLOAT_BYTES = 4
/** B 4, T 256 */
const ROWS = 1024
/** More rows than caches hold, so that memory is what limits a pass over them. */
const NORMED_ROWS = 16_384

interface KernelCase extends Pick<BenchCase, 'name' | 'description' | 'pytorch'> {
  readonly outputs: (context: TraceContext) => Readonly<Record<string, Tensor>>
  /** What a step must move, and the pass over memory that is like it, where bytes are the limit. */
  readonly memory?: { readonly bytes: number; readonly like: MemoryProgramName }
  readonly quick?: boolean
  readonly compiles?: boolean
  /** Bound of the ids among its inputs. */
  readonly vocab?: number
}

function kernelCase({ name, outputs, memory, quick = false, compiles = false, vocab, ...rest }: KernelCase): BenchCase {
  return {
    ...rest,
    name,
    quick,
    compiles,
    limit: memory?.like ?? 'peak',
    precisions: memory === undefined ? precisions : ['fp32'],
    prepare: (backend, precision) => {
      const graph = trace(name, (context) => ({ outputs: outputs(context) }))
      return prepareGraph(backend, withPrecision(graph, precision), memory?.bytes ?? null, vocab)
    },
  }
}

function prepareGraph(backend: Backend, graph: Graph, bytes: number | null, vocab?: number): PreparedCase {
  const executable = backend.compile(graph)
  fillInputs(backend, graph, vocab)
  return { executable, flops: graphFlops(graph), bytes, tokens: null, step: () => executable.run() }
}

/** A linear layer, x [m, k] · w = y [m, n]: the product itself and the two of its gradient. */
function matmuls(name: string, what: string, k: number, n: number): BenchCase[] {
  const m = ROWS
  // The output layer is a table of rows, [n, k]; the other weights are [k, n].
  const isTable = n === VOCAB
  const weights = (t: TraceContext): Tensor => {
    return isTable ? transpose(t.input('w', 'f32', [n, k])) : t.input('w', 'f32', [k, n])
  }
  const x = (t: TraceContext): Tensor => t.input('x', 'f32', [m, k])
  const dy = (t: TraceContext): Tensor => t.input('dy', 'f32', [m, n])
  const parts: readonly (readonly [string, string, (t: TraceContext) => Tensor])[] = [
    ['forward', `${what}, [${m}, ${k}] x [${k}, ${n}]`, (t) => matmul(x(t), weights(t))],
    ['dx', `its gradient of x, [${m}, ${n}] x [${n}, ${k}]`, (t) => matmul(dy(t), transpose(weights(t)))],
    [
      'dw',
      isTable ? `its gradient of w, [${n}, ${m}] x [${m}, ${k}]` : `its gradient of w, [${k}, ${m}] x [${m}, ${n}]`,
      (t) => (isTable ? matmul(transpose(dy(t)), x(t)) : matmul(transpose(x(t)), dy(t))),
    ],
  ]
  return parts.map(([part, description, product]) =>
    kernelCase({
      name: `matmul.${name}.${part}`,
      description: `matmul: ${description}`,
      quick: name === 'up',
      pytorch: { kind: 'matmul', part, m, k, n },
      outputs: (t) => ({ result: product(t) }),
    }),
  )
}

const HEADS = 12
const HEAD_WIDTH = 64

/** q, k, v [B, T, H, D] cut from one product [B·T, 3·H·D], as in GPT-2. */
function attentions(batch: number, time: number): BenchCase[] {
  const shape = [batch, time, HEADS, HEAD_WIDTH]
  const mix = (q: Tensor, k: Tensor, v: Tensor): Tensor => {
    return attention(q, k, v, { scale: 1 / Math.sqrt(HEAD_WIDTH), causal: true })
  }
  const operands = (t: TraceContext) => ['q', 'k', 'v'].map((name) => t.input(name, 'f32', shape))
  const sizes = `B ${batch}, T ${time}, ${HEADS} heads of ${HEAD_WIDTH}`
  const job = { kind: 'attention', batch, time, heads: HEADS, headWidth: HEAD_WIDTH }
  return [
    kernelCase({
      name: `attention.t${time}.forward`,
      description: `causal attention, ${sizes}`,
      pytorch: { ...job, part: 'forward' },
      outputs(t) {
        const [q, k, v] = operands(t)
        return { mixed: mix(q!, k!, v!) }
      },
    }),
    kernelCase({
      name: `attention.t${time}.backward`,
      description: `gradient of causal attention, ${sizes}`,
      pytorch: { ...job, part: 'backward' },
      outputs(t) {
        const [q, k, v] = operands(t)
        const [dq, dk, dv] = gradient(sum(mul(mix(q!, k!, v!), t.input('dy', 'f32', shape))), [q!, k!, v!])
        return { dq: dq!, dk: dk!, dv: dv! }
      },
    }),
  ]
}

function layerNorms(): BenchCase[] {
  const shape = [NORMED_ROWS, WIDTH]
  const elements = NORMED_ROWS * WIDTH
  // The bias is a state, since its gradient does not depend on it, and an input must be used.
  const operands = (t: TraceContext) => {
    return [t.input('x', 'f32', shape), t.input('gain', 'f32', [WIDTH]), t.state('bias', [WIDTH])] as const
  }
  const job = { kind: 'layerNorm', rows: NORMED_ROWS, width: WIDTH }
  return [
    kernelCase({
      name: 'layer-norm.forward',
      description: `layer norm with gain and bias, [${NORMED_ROWS}, ${WIDTH}]`,
      pytorch: { ...job, part: 'forward' },
      compiles: true,
      memory: { bytes: 2 * elements * FLOAT_BYTES, like: 'copy' }, // x, y
      outputs: (t) => ({ y: layerNorm(...operands(t)) }),
    }),
    kernelCase({
      name: 'layer-norm.backward',
      description: `gradients of layer norm, [${NORMED_ROWS}, ${WIDTH}]`,
      pytorch: { ...job, part: 'backward' },
      memory: { bytes: 3 * elements * FLOAT_BYTES, like: 'triad' }, // x, dy, dx
      outputs(t) {
        const leaves = operands(t)
        const [dx, dGain, dBias] = gradient(sum(mul(layerNorm(...leaves), t.input('dy', 'f32', shape))), leaves)
        return { dx: dx!, dGain: dGain!, dBias: dBias! }
      },
    }),
  ]
}

/** Products of the output layer for the logits, and for both gradients. */
function lossCase(): BenchCase {
  return kernelCase({
    name: 'cross-entropy',
    description: `output layer and cross-entropy, [${ROWS}, ${WIDTH}] over ${VOCAB} tokens, with both gradients`,
    compiles: true,
    vocab: VOCAB,
    pytorch: { kind: 'crossEntropy', rows: ROWS, width: WIDTH, vocab: VOCAB },
    outputs(t) {
      const [x, w] = [t.input('x', 'f32', [ROWS, WIDTH]), t.input('w', 'f32', [VOCAB, WIDTH])]
      const loss = mean(crossEntropy(matmul(x, transpose(w)), t.input('targets', 'i32', [ROWS])))
      const [dx, dw] = gradient(loss, [x, w])
      return { loss, dx: dx!, dw: dw! }
    },
  })
}

export const kernelCases: readonly BenchCase[] = [
  ...matmuls('qkv', 'queries, keys and values', WIDTH, 3 * WIDTH),
  ...matmuls('out', 'output of attention', WIDTH, WIDTH),
  ...matmuls('up', 'first layer of the MLP', WIDTH, 4 * WIDTH),
  ...matmuls('down', 'second layer of the MLP', 4 * WIDTH, WIDTH),
  ...matmuls('head', 'logits', WIDTH, VOCAB),
  ...attentions(4, 256),
  ...attentions(1, 1024),
  ...layerNorms(),
  lossCase(),
]
