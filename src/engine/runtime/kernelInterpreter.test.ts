import { describe, expect, it } from 'vitest'
import { KernelBuilder, type KernelTarget } from '../kernel/builder.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { BufferReference, Program } from '../plan/program.ts'
import { createInterpretedMachine } from './kernelInterpreter.ts'

const arena = (offset: number): BufferReference => ({ space: 'arena', offset })
const named = (name: string, offset = 0): BufferReference => ({ space: 'persistent', name, offset })

/** out[u] = in[units - 1 - u] + 1, one vector for each unit: needs what the last thread wrote. */
function reversing(target: KernelTarget, units: number): Kernel {
  const b = new KernelBuilder('reversing', target)
  const [from, to] = [b.pointer(), b.pointer()]
  const bytes = 4 * target.lanes
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const mirrored = b.intMul(b.op('intSub', [b.int(units - 1), unit]), bytes)
    b.store(b.add(b.load(b.at(from, 0, mirrored, 1)), b.constant(1)), b.at(to, 0, b.intMul(unit, bytes), 1))
  })
  return b.finish()
}

/** x reversed plus 1 into the arena, and that reversed plus 1 into x. */
function programOf(target: KernelTarget, barrier: boolean, first = named('x')): Program {
  const launch = { kernel: 0, label: 'reverse', units: 6, flops: 1, bytes: 1 }
  return {
    name: 'twice',
    kernels: [reversing(target, 6)],
    launches: [
      { ...launch, buffers: [first, arena(0)], barrier: true },
      { ...launch, buffers: [arena(0), named('x')], barrier },
    ],
    persistent: [{ name: 'x', dtype: 'f32', shape: [6 * target.lanes] }],
    arenaBytes: 24 * target.lanes,
    scratchBytes: 64,
    flops: 2,
  }
}

describe.each([4, 8, 16])('the interpreted machine on %i lanes', (lanes) => {
  const target = { lanes, vectorRegisters: 16 }
  const size = 6 * lanes

  it.each([1, 2, 4])('runs a program, imitating %i threads', (threads) => {
    const machine = createInterpretedMachine({ ...target, threads })
    const x = machine.buffer('x', 'f32', [size])
    x.forEach((_, k) => (x[k] = k))
    const loaded = machine.load(programOf(target, true))
    loaded.run()
    expect([...x]).toEqual(Array.from({ length: size }, (_, k) => k + 2))
    expect(loaded.profile().map((time) => time.label)).toEqual(['reverse', 'reverse'])
    expect(x[0]).toBe(4)
    expect(loaded.listing(0)).toContain('kernel reversing')
  })

  it('finds the barrier that its threads need', () => {
    const machine = createInterpretedMachine({ ...target, threads: 2 })
    const loaded = machine.load(programOf(target, false))
    loaded.run()
    expect(loaded.shares.map(({ barrier }) => barrier)).toEqual([true, true])
    expect([...machine.buffer('x', 'f32', [size])].some(Number.isNaN)).toBe(false)
  })

  it('fills the arena with NaN before each run', () => {
    const machine = createInterpretedMachine(target)
    const loaded = machine.load(programOf(target, true, arena(0)))
    loaded.run()
    expect([...machine.buffer('x', 'f32', [size])].every(Number.isNaN)).toBe(true)
  })

  it('refuses accesses beyond a buffer, though other buffers lie there', () => {
    const machine = createInterpretedMachine(target)
    machine.buffer('w', 'f32', [100])
    machine.buffer('x', 'f32', [size])
    machine.buffer('y', 'f32', [100])
    expect(() => machine.load(programOf(target, true, named('x', 4))).run()).toThrow(
      /kernel reversing: access to bytes \d+ to \d+ leaves the memory \(.*x is \d+ to \d+.*\) in: f\d+ = load/,
    )
    expect(() => machine.load(programOf(target, true, named('w'))).run()).toThrow('not among its persistent buffers')
    expect(() => machine.buffer('x', 'i32', [size])).toThrow(`buffer x is f32 [${size}]`)
  })
})
