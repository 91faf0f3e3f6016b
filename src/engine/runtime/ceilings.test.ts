import { describe, expect, test } from 'vitest'
import { memoryProgram, memoryProgramNames, multiplyAddProgram } from './ceilingKernels.ts'
import { createCeilings } from './ceilings.ts'
import { availableBackends } from './create.ts'
import { createInterpretedMachine } from './kernelInterpreter.ts'

const targets = [
  { lanes: 4, vectorRegisters: 11 },
  { lanes: 8, vectorRegisters: 16 },
] as const

describe('what the programs do is what they count', () => {
  test.each(targets)('multiply-adds at $lanes lanes', (target) => {
    const { program, flops } = multiplyAddProgram(target, 2, 'fp32')
    const machine = createInterpretedMachine(target)
    const loaded = machine.load(program)
    machine.buffer('peak.fp32/factors', 'f32', [2]).fill(1)
    loaded.run()
    // Each multiply-add has added 1 to one lane.
    const results = machine.buffer('peak.fp32/results', 'f32', [2 * target.lanes])
    const done = Array.from(results).reduce((sum, value) => sum + value, 0)
    expect(flops).toBe(2 * done)
    expect(new Set(results).size).toBe(1)
  })

  test.each(targets)('reads and writes at $lanes lanes', (target) => {
    const floats = (3 * 4 * 65 * 1024) / 4 // three units of four streams
    const array = (letter: string) => machine.buffer(`bandwidth/${letter}`, 'f32', [floats])
    const machine = createInterpretedMachine(target)
    const programs = Object.fromEntries(
      memoryProgramNames.map((name) => [name, memoryProgram(target, 4 * floats, name)]),
    )
    array('b').forEach((_, i, all) => (all[i] = i % 1000))
    array('c').forEach((_, i, all) => (all[i] = i % 7))
    machine.load(programs['triad']!.program).run()
    expect(array('a').findIndex((value, i) => value !== (i % 1000) + 3 * (i % 7))).toBe(-1)
    machine.load(programs['copy']!.program).run()
    expect(array('a')).toEqual(array('b'))
    array('a').fill(1)
    machine.load(programs['read']!.program).run()
    const sums = machine.buffer('bandwidth/results', 'f32', [3 * target.lanes])
    expect(Array.from(sums).reduce((sum, value) => sum + value, 0)).toBe(floats)
    machine.load(programs['update']!.program).run()
    expect(array('a').findIndex((value, i) => value !== (i % 1000) + 3)).toBe(-1)
    expect(memoryProgramNames.map((name) => programs[name]!.bytes)).toEqual([1, 2, 3, 3].map((k) => 4 * floats * k))
  })
})

test.each(availableBackends().filter(({ name, unavailable }) => name !== 'interpreter' && unavailable === undefined))(
  '$name: rates are measured, and what is missing has a reason',
  ({ name }) => {
    const ceilings = createCeilings({ backend: name, threads: 1, arrayBytes: 2 ** 20, peakUnits: 1 })
    try {
      const { peakFp32, peakBf16, bandwidth } = ceilings.measure()
      for (const rate of [peakFp32, ...Object.values(bandwidth)]) {
        expect(rate).toBeGreaterThan(1e6)
        expect(rate).toBeLessThan(1e15)
      }
      expect(peakBf16 === null).toBe(ceilings.withoutBf16 !== undefined)
      if (peakBf16 !== null) expect(peakBf16).toBeGreaterThan(peakFp32)
      expect(ceilings.threads).toBe(1)
    } finally {
      ceilings.dispose()
    }
  },
)

test('the interpreter has none', () => {
  expect(() => createCeilings({ backend: 'interpreter' })).toThrow(/interpreter backend does not compile/)
})
