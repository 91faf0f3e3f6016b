import { describe, expect, it, test } from 'vitest'
import { KernelBuilder } from '../kernel/builder.ts'
import type { Launch } from './program.ts'
import { NativeMachine, nativeUnavailable } from '../runtime/native/machine.ts'
import { sharesOf } from './shares.ts'

const launchOf = (part: Partial<Launch>): Launch => {
  return { kernel: 0, label: 'counting', buffers: [], units: 1000, barrier: true, flops: 0, bytes: 0, ...part }
}

describe('sharesOf', () => {
  test.each([
    ['one thread', launchOf({ flops: 1e9 }), 1],
    ['a launch of some microseconds', launchOf({ flops: 1e5, bytes: 1e4 }), 2],
    ['a launch without any work', launchOf({}), 2],
    ['units that are only good together', launchOf({ flops: 1e9, grain: 400 }), 2],
  ])('shares all out beforehand: %s', (_, launch, threads) => {
    expect(sharesOf(launch, threads)).toEqual({ fixed: 1000, grain: 1, takes: 0 })
  })

  test.each([1, 7, 64])('leaves whole takes of a long launch to whoever is free, by %i units at least', (grain) => {
    const { fixed, grain: each, takes } = sharesOf(launchOf({ flops: 1e9, grain }), 2)
    expect(each).toBeGreaterThanOrEqual(grain)
    expect(takes).toBeGreaterThanOrEqual(2)
    expect(fixed + takes * each).toBe(1000)
    expect(fixed).toBeGreaterThanOrEqual(700)
  })

  test.each([2, 3, 8])('lets each of %i threads take equally often', (threads) => {
    for (let units = 1; units < 300; units++) {
      const { fixed, grain, takes } = sharesOf(launchOf({ units, flops: 1e9, grain: 11 }), threads)
      expect(takes % threads).toBe(0)
      expect(fixed + takes * grain).toBe(units)
    }
  })
})

describe.skipIf(nativeUnavailable() !== undefined)('a launch whose units are taken', () => {
  it.each([1, 2, 3])('does each unit once, run after run and in profiles, on %i threads', (threads) => {
    const units = 1003
    const machine = new NativeMachine({ threads })
    try {
      const b = new KernelBuilder('counting', machine.target)
      const counts = b.pointer()
      b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
        const at = b.at(counts, 0, unit, 4)
        b.store(b.add(b.load(at, 1), b.constant(1)), at, 1)
      })
      const launch = launchOf({ units, flops: 1e9, buffers: [{ space: 'persistent', name: 'counts', offset: 0 }] })
      const loaded = machine.load({
        name: 'count',
        kernels: [b.finish()],
        launches: [launch, launch],
        persistent: [{ name: 'counts', dtype: 'f32', shape: [units] }],
        arenaBytes: 0,
        scratchBytes: 0,
        flops: 0,
      })
      for (let run = 0; run < 200; run++) {
        loaded.run()
        if (run % 10 === 0) loaded.profile()
      }
      expect(new Set(machine.buffer('counts', 'f32', [units]))).toEqual(new Set([2 * 220]))
    } finally {
      machine.dispose()
    }
  })
})
