import { describe, expect, test } from 'vitest'
import { createBackend } from '../../engine/index.ts'
import type { BenchCase } from './benchCase.ts'
import { benchCases, selectCases, UnknownCaseError } from './cases.ts'
import { stepsOfRound } from './run.ts'
import { checkFirstLoss } from './stepCases.ts'

const namesOf = (cases: readonly BenchCase[]): string[] => cases.map(({ name }) => name)
const find = (name: string): BenchCase => benchCases.find((one) => one.name === name)!

describe('names', () => {
  test('are all different, and none is that of a group', () => {
    const names = namesOf(benchCases)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => names.some((other) => other.startsWith(`${name}.`)))).toEqual([])
  })

  test('choose one case, a group, all, or the quick ones', () => {
    expect(namesOf(selectCases(['adamw', 'tiny']))).toEqual(['tiny', 'adamw'])
    expect(namesOf(selectCases(['matmul.up', 'attention.t256']))).toEqual([
      'matmul.up.forward',
      'matmul.up.dx',
      'matmul.up.dw',
      'attention.t256.forward',
      'attention.t256.backward',
    ])
    expect(selectCases(['all'])).toEqual(benchCases)
    expect(selectCases([]).every(({ quick }) => quick)).toBe(true)
    expect(namesOf(selectCases([]))).toContain('tiny')
  })

  test.each([
    ['tinny', /"tiny"/],
    ['atention', /"attention"/],
    ['six layers', /"six-layers"/],
    ['xyzzy', /^halflife bench --list/],
  ])('%s is unknown', (name, hint) => {
    const failing = (): unknown => selectCases(['tiny', name])
    expect(failing).toThrow(UnknownCaseError)
    expect(failing).toThrow(expect.objectContaining({ hint: expect.stringMatching(hint) }))
  })
})

describe('work', () => {
  test('a matrix product and its gradients do the same number of flops', () => {
    const backend = createBackend({ backend: 'interpreter' })
    const flops = ['forward', 'dx', 'dw'].map((part) => find(`matmul.out.${part}`).prepare(backend, 'fp32').flops)
    expect(flops).toEqual(Array.from({ length: 3 }, () => 2 * 1024 * 768 * 768))
  })

  test('a step whose first loss is another than ln V is not timed', () => {
    expect(() => checkFirstLoss(Math.log(65) + 0.4, 65)).not.toThrow()
    expect(() => checkFirstLoss(0, 65)).toThrow(/first loss of the step is 0; expected about ln 65 = 4.174/)
    expect(() => checkFirstLoss(Number.NaN, 65)).toThrow(/NaN/)
  })

  test('the gradient of attention is two and a half times its forward pass', () => {
    const backend = createBackend({ backend: 'interpreter' })
    const [forward, backward] = ['forward', 'backward'].map((part) => {
      return find(`attention.t256.${part}`).prepare(backend, 'fp32').flops
    })
    const visible = (256 * 257) / 2
    expect(forward).toBe(4 * 12 * visible * 4 * 64)
    // The backward graph holds the forward pass that its loss is defined by, dead in the end, beside what it computes.
    expect(backward! / forward!).toBeGreaterThanOrEqual(2.5)
    expect(backward! / forward!).toBeLessThan(2.6)
  })
})

test('steps of a round fill a quarter of a second, ten in all at least', () => {
  expect(stepsOfRound(1, 5)).toBe(50)
  expect(stepsOfRound(25, 5)).toBe(10)
  expect(stepsOfRound(6000, 5)).toBe(2)
  expect(stepsOfRound(6000, 1)).toBe(10)
  expect(stepsOfRound(6000, 20)).toBe(1)
})
