import { describe, expect, test } from 'vitest'
import { bufferName, constant, createInterpreterBackend, printGraph, trace, type Graph } from '../engine/index.ts'
import { evaluationPass, RANDOM_INPUTS, skipRate, trainingPass, type Branch, type DropRates } from './pass.ts'

const BATCH = 4000
const TIME = 2
const WIDTH = 3

/** Ones of [B·T, C] through each branch of each block. */
function branches(rates: DropRates): Graph {
  return trace('pass', (context) => {
    const pass = trainingPass(context, rates)
    const x = context.state('x', [BATCH * TIME, WIDTH])
    const sites = Array.from({ length: rates.layers }, (_, layer) =>
      (['attention', 'mlp'] as const).map((branch) => [layer, branch] as const),
    ).flat()
    const made = sites.map(([layer, branch]) => [`${layer} ${branch}`, pass.branch(x, { layer, branch, batch: BATCH })])
    return { outputs: Object.fromEntries(made) }
  })
}

/** The factor of each sample, after checking that it is one for all that belongs to it. */
function factors(graph: Graph, step: number): Map<string, number[]> {
  const backend = createInterpreterBackend({ precision: 'f64' })
  const executable = backend.compile(graph)
  backend.buffer('x', 'f32', [BATCH * TIME, WIDTH]).fill(1)
  backend.buffer(bufferName('pass', RANDOM_INPUTS.seed), 'i32', [])[0] = 17
  backend.buffer(bufferName('pass', RANDOM_INPUTS.step), 'i32', [])[0] = step
  executable.run()
  return new Map(
    [...graph.outputs.keys()].map((name) => {
      const values = backend.buffer(bufferName('pass', name), 'f32', [BATCH * TIME, WIDTH])
      const each = TIME * WIDTH
      const samples = Array.from({ length: BATCH }, (_, b) => values.slice(b * each, (b + 1) * each))
      for (const sample of samples) expect(new Set(sample).size).toBe(1)
      return [name, samples.map(([first]) => first!)]
    }),
  )
}

const key = (layer: number, branch: Branch): string => `${layer} ${branch}`

describe('stochastic depth', () => {
  const rates = { layers: 2, dropout: 0, stochasticDepth: 0.4 }
  const graph = branches(rates)
  const found = factors(graph, 1)

  test('skips whole samples, more of them the deeper, and keeps the mean', () => {
    expect([0, 1].map((layer) => skipRate(rates, layer))).toEqual([0.2, 0.4])
    for (const layer of [0, 1]) {
      const rate = skipRate(rates, layer)
      for (const branch of ['attention', 'mlp'] as const) {
        const drawn = found.get(key(layer, branch))!
        expect(new Set(drawn)).toEqual(new Set([0, 1 / (1 - rate)]))
        const skipped = drawn.filter((factor) => factor === 0).length / BATCH
        expect(Math.abs(skipped - rate)).toBeLessThan(4 * Math.sqrt((rate * (1 - rate)) / BATCH))
      }
    }
  })

  test('every branch, block and step draws its own, the same whenever it is drawn', () => {
    const masks = [...found.values()].map((drawn) => drawn.map((factor) => factor > 0).join())
    expect(new Set(masks).size).toBe(4)
    expect(factors(graph, 1)).toEqual(found)
    expect(factors(graph, 2).get(key(0, 'mlp'))).not.toEqual(found.get(key(0, 'mlp')))
  })
})

test('rates of 0 add nothing to the program, not even inputs', () => {
  const text = printGraph(branches({ layers: 1, dropout: 0, stochasticDepth: 0 }))
  expect(text).not.toMatch(/random|dropout/i)
})

describe('what every pass offers', () => {
  test('positions from 0, and the rows of a table at them', () => {
    const graph = trace('positions', (context) => {
      const table = context.state('table', [5, 2])
      const pass = evaluationPass()
      expect(() => pass.positionRows(table, 6)).toThrow('The model has 5 positions, but sequences of 6 were given.')
      return { outputs: { positions: pass.positions(4), rows: pass.positionRows(table, 4) } }
    })
    const backend = createInterpreterBackend({ precision: 'f64' })
    const executable = backend.compile(graph)
    backend.buffer('table', 'f32', [5, 2]).set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    executable.run()
    expect([...backend.buffer('positions/positions', 'f32', [4])]).toEqual([0, 1, 2, 3])
    expect([...backend.buffer('positions/rows', 'f32', [4, 2])]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('auxiliary losses of one name are summed, and must have one weight', () => {
    trace('losses', (context) => {
      const pass = evaluationPass()
      const x = context.state('x', [])
      pass.addLoss('balance', x, 0.01)
      pass.addLoss('balance', constant(2), 0.01)
      pass.addLoss('z', constant(3), 0.1)
      expect([...pass.losses].map(([name, { weight }]) => [name, weight])).toEqual([
        ['balance', 0.01],
        ['z', 0.1],
      ])
      expect(pass.losses.get('balance')!.value.op.name).toBe('add')
      expect(() => pass.addLoss('z', x, 0.2)).toThrow('The loss "z" has the weights 0.1 and 0.2')
      return { outputs: { x: pass.losses.get('balance')!.value } }
    })
  })
})
