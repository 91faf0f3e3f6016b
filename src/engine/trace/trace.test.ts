import { describe, expect, it } from 'vitest'
import { printGraph } from '../ir/print.ts'
import { scope } from '../ir/scope.ts'
import { verifyGraph } from '../ir/verify.ts'
import { add, mul } from '../ops/elementwise.ts'
import { matmul } from '../ops/matmul.ts'
import type { Tensor } from '../ops/row.ts'
import { graphBuffers, trace, type Graph } from './trace.ts'

const step = (): Graph =>
  trace('train', (t) => {
    const x = t.input('x', 'f32', [4, 3])
    const w = scope('head', () => t.state('weight', [3, 2]))
    const y = scope('block', () => scope('0', () => matmul(x, w)))
    return { outputs: { y }, updates: { weight: add(mul(w, 0.5), 1) } }
  })

describe('trace', () => {
  it('prints the same text whenever it is traced', () => {
    expect(printGraph(step())).toBe(printGraph(step()))
    expect(printGraph(step())).toBe(
      [
        'graph train',
        '  %0 = f32[4, 3] input() {name: "x", dtype: "f32", shape: [4,3]}',
        '  %1 = f32[3, 2] state() {name: "weight", dtype: "f32", shape: [3,2]}  # head',
        '  %2 = f32[4, 2] matmul(%0, %1)  # block.0',
        '  %3 = f32[] constant() {value: 0.5}',
        '  %4 = f32[3, 2] mul(%1, %3)',
        '  %5 = f32[] constant() {value: 1}',
        '  %6 = f32[3, 2] add(%4, %5)',
        '  output y = %2',
        '  update weight = %6',
        '',
      ].join('\n'),
    )
  })

  it('names the buffers: states as they are, inputs and outputs by program', () => {
    expect(graphBuffers(step()).map(({ kind, buffer }) => `${kind} ${buffer}`)).toEqual([
      'input train/x',
      'state weight',
      'output train/y',
    ])
  })

  it('gives one tensor for one name', () => {
    trace('same', (t) => {
      expect(t.state('w', [2])).toBe(t.state('w', [2]))
      return {}
    })
  })

  it('leaves the scope behind, even after an error', () => {
    expect(() => scope('a', () => matmul(step().outputs.get('y')!, step().outputs.get('y')!))).toThrow('scope a')
    expect(step().outputs.get('y')!.scope).toBe('block.0')
  })

  let leaked: Tensor
  trace('other', (t) => {
    leaked = t.state('w', [2])
    return {}
  })
  it.each<[string, Parameters<typeof trace>[1]]>([
    [
      'state w is declared as f32[3], but was declared as f32[2] before',
      (t) => ({ outputs: { a: t.state('w', [2]), b: t.state('w', [3]) } }),
    ],
    ['input x is declared but nothing depends on it', (t) => (t.input('x', 'f32', []), {})],
    [
      'the update of w is f32[3], but the state is f32[2]',
      (t) => (t.state('w', [2]), { updates: { w: t.state('v', [3]) } }),
    ],
    ['there is an update for w, which is not a declared state', (t) => ({ updates: { w: t.state('v', [3]) } })],
    ['state w belongs to another trace', () => ({ outputs: { y: mul(leaked, 2) } })],
    ['w has shape [0]; every size must be a whole number from 1', (t) => ({ outputs: { y: t.state('w', [0]) } })],
    [
      'the buffer bad/x is both input f32[] and output f32[2]',
      (t) => ({ outputs: { x: mul(t.input('x', 'f32', []), t.state('w', [2])) } }),
    ],
  ])('refuses: %s', (message, program) => {
    expect(() => trace('bad', program)).toThrow(message)
  })
})

/** A graph whose output is changed behind the back of its row. */
function broken(change: Partial<Tensor>): Graph {
  const y = step().outputs.get('y')!
  return { name: 'broken', outputs: new Map([['y', { ...y, ...change }]]), updates: new Map() }
}

describe('verifyGraph', () => {
  it.each<[string, Partial<Tensor>]>([
    ['is f32[9], but its row infers f32[4, 2]', { shape: [9] }],
    ['which was made after it', { id: 0 }],
    ['attributes that are not plain data', { attributes: { axis: undefined } }],
  ])('refuses a node that %s', (message, change) => {
    expect(() => verifyGraph(broken(change))).toThrow(message)
  })
  it('accepts what trace makes', () => expect(() => verifyGraph(step())).not.toThrow())
})
