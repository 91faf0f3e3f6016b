/**
 * What share of a dense product's rate does a product by group reach, forward and in both gradients?
 *
 *     npx tsc -p tsconfig.bench.json && node .cache/bench/bench/grouped.js [--rounds 7] [--steps 10] [--threads 2] [--backend native|wasm] [--parts]
 *
 * Dense: [M, K] x [K, N], its two gradients with it. Grouped: the same M rows sorted in 8 groups, a matrix [K, N] for each;
 * the same flops. The two run in turn, step by step, rounds · steps times each; medians and quartiles. Results are compared with the dense
 * product before timing, every matrix being the same one.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import {
  createBackend,
  gradient,
  groupedMatmul,
  matmul,
  mul,
  sum,
  trace,
  type Backend,
  type BackendName,
  type Executable,
} from '../src/engine/index.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    steps: { type: 'string', default: '10' },
    threads: { type: 'string', default: String(availableParallelism()) },
    backend: { type: 'string', default: 'native' },
    parts: { type: 'boolean', default: false },
  },
})
const backend = createBackend({ backend: values.backend as BackendName, threads: Number(values.threads) })
const groups = 8

interface Shape {
  readonly m: number
  readonly k: number
  readonly n: number
}
const shapes: readonly Shape[] = [
  { m: 64, k: 128, n: 256 },
  { m: 256, k: 128, n: 256 },
  { m: 2048, k: 96, n: 256 },
  { m: 2048, k: 512, n: 1024 },
  { m: 2048, k: 768, n: 2048 },
]

/** Rows to each group: alike, or falling as 1/(g + 1). */
const routings: Readonly<Record<string, (m: number) => number[]>> = {
  even: (m) => Array.from({ length: groups + 1 }, (_, g) => Math.floor((g * m) / groups)),
  skewed: (m) => {
    const share = Array.from({ length: groups + 1 }, (_, g) =>
      Array.from({ length: g }, (__, i) => 1 / (i + 1)).reduce((a, b) => a + b, 0),
    )
    return share.map((s) => Math.floor((m * s) / share[groups]!))
  },
}

interface Contender {
  readonly name: string
  readonly executable: Executable
}

function contenders(on: Backend, { m, k, n }: Shape, name: string): { dense: Contender; grouped: Contender } {
  const make = (kind: 'dense' | 'grouped'): Contender => {
    const graph = trace(`${name}-${kind}`, (t) => {
      const x = t.state(`${name}.x`, [m, k])
      const w = kind === 'dense' ? t.state(`${name}.w`, [k, n]) : t.state(`${name}.ws`, [groups, k, n])
      const y = kind === 'dense' ? matmul(x, w) : groupedMatmul(x, w, t.state(`${name}.offsets`, [groups + 1], 'i32'))
      const [dx, dw] = gradient(sum(mul(y, t.state(`${name}.dy`, [m, n]))), [x, w])
      return { outputs: { y, dx: dx!, dw: dw! } }
    })
    return { name: kind, executable: on.compile(graph) }
  }
  const fill = (buffer: string, shape: readonly number[], period: number): void => {
    const data = on.buffer(buffer, 'f32', shape)
    for (let i = 0; i < data.length; i++) data[i] = (((i % period) * 31) % 97) / 97 - 0.5
  }
  fill(`${name}.x`, [m, k], 1e9)
  fill(`${name}.dy`, [m, n], 1e9)
  fill(`${name}.w`, [k, n], k * n)
  fill(`${name}.ws`, [groups, k, n], k * n)
  return { dense: make('dense'), grouped: make('grouped') }
}

const quantile = (times: readonly number[], share: number): number =>
  times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))]!

function timed(run: () => void): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

console.log(`${backend.description}; ${values.rounds} rounds of ${values.steps}`)
for (const { m, k, n } of shapes) {
  const name = `${m}x${k}x${n}`
  const { dense, grouped } = contenders(backend, { m, k, n }, name)
  for (const [routing, offsetsOf] of Object.entries(routings)) {
    backend.buffer(`${name}.offsets`, 'i32', [groups + 1]).set(offsetsOf(m))
    dense.executable.run()
    grouped.executable.run()
    for (const [output, shape] of [
      ['y', [m, n]],
      ['dx', [m, k]],
    ] as const) {
      const [a, b] = [dense, grouped].map((each) => backend.buffer(`${name}-${each.name}/${output}`, 'f32', shape))
      a!.forEach((value, i) => {
        if (Math.abs(value - b![i]!) > 1e-4) throw new Error(`${name} ${output}[${i}]: ${value} and ${b![i]}`)
      })
    }
    const times: Record<string, number[]> = { dense: [], grouped: [] }
    const parts: Record<string, number> = {}
    // one step of each in turn, so that both see the same moments of a shared machine
    for (let step = 0; step < Number(values.rounds) * Number(values.steps); step++) {
      for (const each of [dense, grouped]) times[each.name]!.push(timed(() => each.executable.run()))
    }
    for (const each of [dense, grouped])
      for (const { label, milliseconds } of each.executable.profile()) {
        const key = `${each.name}: ${label}`
        parts[key] = Math.round(1000 * milliseconds)
      }
    const [d, g] = [quantile(times['dense']!, 0.5), quantile(times['grouped']!, 0.5)]
    const spread = (kind: string): string =>
      [0.25, 0.75].map((share) => quantile(times[kind]!, share).toFixed(3)).join(' – ')
    const rate = (ms: number): string => ((6 * m * k * n) / ms / 1e6).toFixed(1)
    console.log(
      `[${m}, ${k}] x [${k}, ${n}] ${routing}: dense ${d.toFixed(3)} (${spread('dense')}) ms, ${rate(d)} Gflop/s, ` +
        `grouped ${g.toFixed(3)} (${spread('grouped')}) ms, ${rate(g)} Gflop/s, ${Math.round((100 * d) / g)} %`,
    )
    if (values.parts) for (const [label, us] of Object.entries(parts)) console.log(`    ${label}: ${us} µs`)
  }
}
backend.dispose()
