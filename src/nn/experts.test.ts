/** The mixture of experts against plain loops in float64: its output, its balancing loss, and gradients by differences. */
import { describe, expect, test } from 'vitest'
import {
  bufferName,
  createInterpreterBackend,
  gelu,
  gradient,
  mul,
  silu,
  sum,
  trace,
  type Backend,
  type Graph,
  type TraceResult,
} from '../engine/index.ts'
import { philox4x32 } from '../random/index.ts'
import { declareExperts, experts, loadBalancing, route, type ExpertParts } from './experts.ts'
import { activeParameters, normal, parameterList, totalParameters } from './parameter.ts'
import { traceParameters } from './traced.ts'

const [rows, width, hidden, count, chosen] = [7, 5, 6, 4, 2]
const parts = { gate: 'w1', up: 'w3', down: 'w2' }

const list = parameterList()
list.declare('router.weight', [width, count], 'router', normal(1))
declareExperts(
  list,
  'experts',
  parts,
  { experts: count, expertsPerToken: chosen, width, feedForward: hidden },
  normal(1),
)
const specs = list.list()

const activations = {
  silu: { op: silu, meaning: (x: number) => x / (1 + Math.exp(-x)) },
  gelu: {
    op: gelu,
    meaning: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  },
}
type Activation = keyof typeof activations

/** Outputs out, loss, balance; or the gradients of the last two. */
function graphOf(kind: 'forward' | 'backward', renormalized: boolean, activation: Activation): Graph {
  const all: ExpertParts = { ...parts, activation: activations[activation].op }
  return trace(kind, (t): TraceResult => {
    const parameters = traceParameters(t, specs)
    const x = t.state('x', [rows, width])
    const routing = route(parameters, 'router', x, { expertsPerToken: chosen, renormalized })
    const out = experts(parameters, 'experts', x, routing, all)
    // a second router, as a second layer has one: the loss is over both
    const second = route(parameters, 'router', mul(x, -2), { expertsPerToken: chosen, renormalized })
    const balance = loadBalancing([routing, second])
    const loss = sum(mul(out, t.state('projection', [rows, width])))
    if (kind === 'forward') return { outputs: { out, loss, balance } }
    const wrt = [x, ...specs.map(({ name }) => parameters.get(name))]
    const gradients = gradient(loss, wrt)
    const named = gradients.map((each, k) => [k === 0 ? 'x' : specs[k - 1]!.name, each] as const)
    const [dBalance] = gradient(balance, [parameters.get('router.weight')])
    return { outputs: { dBalance: dBalance!, ...Object.fromEntries(named) } }
  })
}

const shapes: ReadonlyMap<string, readonly number[]> = new Map([
  ['x', [rows, width]],
  ['projection', [rows, width]],
  ...specs.map(({ name, shape }) => [name, shape] as const),
])

function fill(backend: Backend): void {
  for (const [index, [name, shape]] of [...shapes].entries()) {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = philox4x32([i, 0, 0, 0], [index, 5])[0] / 2 ** 31 - 1
  }
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const total = (n: number, term: (i: number) => number): number => range(n).reduce((sum, i) => sum + term(i), 0)

/** Every expert chosen by its softmax, computed row by row. */
function plainly(
  values: (name: string) => ArrayLike<number>,
  x: ArrayLike<number>,
  renormalized: boolean,
  f: Activation,
) {
  const at = (name: string, ...index: number[]): number => {
    const shape = shapes.get(name)!
    return values(name)[index.reduce((sum, i, axis) => sum * shape[axis]! + i, 0)]!
  }
  const probabilities = range(rows).map((row) => {
    const powers = range(count).map((e) =>
      Math.exp(total(width, (c) => x[row * width + c]! * at('router.weight', c, e))),
    )
    return powers.map((power) => power / powers.reduce((a, b) => a + b))
  })
  const best = probabilities.map((p) =>
    range(count)
      .toSorted((a, b) => p[b]! - p[a]! || a - b)
      .slice(0, chosen),
  )
  const out = range(rows).flatMap((row) => {
    const p = probabilities[row]!
    const whole = renormalized ? best[row]!.reduce((sum, e) => sum + p[e]!, 0) : 1
    const through = (e: number): number[] => {
      const by = (part: string, j: number): number =>
        total(width, (c) => x[row * width + c]! * at(`experts.${part}.weight`, e, c, j))
      const active = range(hidden).map((j) => activations[f].meaning(by('w1', j)) * by('w3', j))
      return range(width).map((c) => total(hidden, (j) => active[j]! * at('experts.w2.weight', e, j, c)))
    }
    const computed = best[row]!.map((e) => through(e).map((value) => (value * p[e]!) / whole))
    return range(width).map((c) => computed.reduce((sum, each) => sum + each[c]!, 0))
  })
  return { out, probabilities, best }
}

describe.each([true, false])('renormalized: %s', (renormalized) => {
  test.each(['silu', 'gelu'] as const)('%s experts are what plain loops compute, and so are their gradients', (f) => {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const [forward, backward] = [graphOf('forward', renormalized, f), graphOf('backward', renormalized, f)]
    const executable = backend.compile(forward)
    fill(backend)
    executable.run()
    backend.compile(backward).run()
    const values = (name: string) => backend.buffer(name, 'f32', shapes.get(name)!)
    const read = (name: string, graph = forward): number[] => [
      ...backend.buffer(bufferName(graph.name, name), 'f32', graph.outputs.get(name)!.shape),
    ]
    const expected = plainly(values, values('x'), renormalized, f)
    expectClose(read('out'), expected.out, 1e-12)

    const second = plainly(
      values,
      values('x').map((v) => -2 * v),
      renormalized,
      f,
    )
    const routers = [expected, second]
    const balance = Array.from({ length: count }, (_, e) => {
      const assigned = routers.flatMap(({ best }) => best.flat()).filter((chosenOne) => chosenOne === e).length
      const probable = routers.flatMap(({ probabilities }) => probabilities).reduce((sum, p) => sum + p[e]!, 0)
      return (count * assigned * probable) / (2 * rows) ** 2
    }).reduce((a, b) => a + b)
    expectClose(read('balance'), [balance], 1e-12)

    const slope = (output: string, name: string): number[] => {
      const buffer = values(name)
      return Array.from(buffer, (value, i) => {
        const h = 1e-5
        const [up, down] = [value + h, value - h].map((moved) => {
          buffer[i] = moved
          executable.run()
          return read(output)[0]!
        })
        buffer[i] = value
        return (up! - down!) / (2 * h)
      })
    }
    for (const name of ['x', ...specs.map((spec) => spec.name)]) {
      expectClose(read(name, backward), slope('loss', name), 1e-7)
    }
    expectClose(read('dBalance', backward), slope('balance', 'router.weight'), 1e-7)
  })
})

function expectClose(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found.length).toBe(expected.length)
  const worst = Math.max(...expected.map((value, i) => Math.abs(found[i]! - value) / Math.max(1, Math.abs(value))))
  expect(worst).toBeLessThanOrEqual(tolerance)
}

test('balanced routers cost k, and one that always takes the same experts costs more', () => {
  const loss = (logit: (row: number, expert: number) => number): number => {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const options = { expertsPerToken: chosen, renormalized: true }
    const graph = trace('balance', (t) => {
      const parameters = traceParameters(t, [{ ...specs[0]!, shape: [count, count] }])
      return { outputs: { loss: loadBalancing([route(parameters, 'router', t.state('x', [count, count]), options)]) } }
    })
    const executable = backend.compile(graph)
    const fillWith = (name: string, value: (i: number, j: number) => number): void => {
      backend
        .buffer(name, 'f32', [count, count])
        .forEach((_, at, all) => (all[at] = value(Math.floor(at / count), at % count)))
    }
    fillWith('x', logit)
    fillWith('router.weight', (i, j) => (i === j ? 1 : 0))
    executable.run()
    return backend.buffer('balance/loss', 'f32', [])[0]!
  }
  expect(loss((row, expert) => ((expert - row + count) % count) * 3)).toBeCloseTo(chosen, 10)
  expect(loss((_, expert) => expert * 3)).toBeGreaterThan(1.9 * chosen)
})

test('a token uses k of E experts', () => {
  expect(totalParameters(specs)).toBe(width * count + 3 * count * width * hidden)
  expect(activeParameters(specs)).toBe(width * count + 3 * chosen * width * hidden)
})
