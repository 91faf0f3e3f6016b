import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { BufferReference, Launch, PersistentBuffer, Program } from '../../plan/program.ts'
import { createInterpretedMachine } from '../kernelInterpreter.ts'
import { cpuFeatures, createNativeMachine, NativeMachine, nativeUnavailable, type NativeOptions } from './machine.ts'

const absent = nativeUnavailable()

function withMachine<T>(options: NativeOptions, use: (machine: NativeMachine) => T): T {
  const machine = new NativeMachine(options)
  try {
    return use(machine)
  } finally {
    machine.dispose()
  }
}

/**
 * Row u of 16: to[u] = 0.625 from[u] + 0.125 - 0.375 from[units - 1 - u]. Differences of the two rows stay as they are, sums
 * shrink: any number of launches gives finite numbers that are not all alike.
 */
function mixKernel(target: KernelTarget, units: number): Kernel {
  const b = new KernelBuilder('mix', target)
  const [from, to] = [b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const here = b.intMul(unit, 16)
    const there = b.intMul(b.op('intSub', [b.int(units - 1), unit]), 16)
    b.for(0, 16, b.lanes, (lane) => {
      const value = b.multiplyAdd(b.load(b.at(from, 0, b.intAdd(here, lane))), b.constant(0.625), b.constant(0.125))
      const other = b.load(b.at(from, 0, b.intAdd(there, lane)))
      b.store(b.sub(value, b.mul(other, b.constant(0.375))), b.at(to, 0, b.intAdd(here, lane)))
    })
  })
  return b.finish()
}

const arena = (offset: number): BufferReference => ({ space: 'arena', offset })
const named = (name: string, offset = 0): BufferReference => ({ space: 'persistent', name, offset })

function launch(kernel: number, buffers: readonly BufferReference[], units: number, barrier = true): Launch {
  return { kernel, label: `launch of ${kernel}`, buffers, units, barrier, flops: 1, bytes: 1 }
}

function programOf(
  kernels: readonly Kernel[],
  launches: readonly Launch[],
  persistent: readonly PersistentBuffer[],
  arenaBytes = 0,
): Program {
  const scratchBytes = Math.max(0, ...kernels.map((kernel) => kernel.scratchBytes))
  return { name: 'test', kernels, launches, persistent, arenaBytes, scratchBytes, flops: 0 }
}

/** A chain in which every launch needs what all threads wrote in the one before: state -> arena -> … -> state. */
function chainProgram(target: KernelTarget, units: number, links: number): Program {
  const bytes = units * 64
  const launches = Array.from({ length: links }, (_, k) => {
    const from = k === 0 ? named('state') : arena(((k - 1) % 2) * bytes)
    const to = k === links - 1 ? named('state') : arena((k % 2) * bytes)
    return launch(0, [from, to], units)
  })
  return programOf(
    [mixKernel(target, units)],
    launches,
    [{ name: 'state', dtype: 'f32', shape: [units * 16] }],
    2 * bytes,
  )
}

function runChain(options: NativeOptions, units: number, links: number, runs: number): number[] {
  return withMachine(options, (machine) => {
    const loaded = machine.load(chainProgram(machine.target, units, links))
    const state = machine.buffer('state', 'f32', [units * 16])
    state.forEach((_, k) => (state[k] = Math.sin(k)))
    for (let run = 0; run < runs; run++) loaded.run()
    return Array.from(state)
  })
}

describe.skipIf(absent !== undefined)(`threads${absent ? ` (${absent})` : ''}`, () => {
  const [units, links, runs] = [13, 40, 200]

  it('give the same bits, however many there are, with barriers between dependent launches', () => {
    const one = runChain({ threads: 1, poison: true }, units, links, runs)
    expect(one.every((value) => Number.isFinite(value))).toBe(true)
    expect(new Set(one).size).toBeGreaterThan(100)
    for (const threads of [2, 3]) expect(runChain({ threads, poison: true }, units, links, runs)).toEqual(one)
  })

  it('match the interpreter of kernels', () => {
    const interpreted = createInterpretedMachine({ lanes: 8, vectorRegisters: 16 })
    const loaded = interpreted.load(chainProgram(interpreted.target, units, 4))
    const state = interpreted.buffer('state', 'f32', [units * 16])
    state.forEach((_, k) => (state[k] = Math.sin(k)))
    loaded.run()
    expect(runChain({ threads: 2, disable: ['avx512'] }, units, 4, 1)).toEqual(Array.from(state))
  })

  it('pass many barriers without work, awake and after sleeping', () => {
    withMachine({ threads: 4 }, (machine) => {
      const b = new KernelBuilder('count', machine.target)
      const count = b.pointer()
      b.for(b.unitBegin, b.unitEnd, 1, () => b.store(b.add(b.load(b.at(count), 1), b.constant(1)), b.at(count), 1))
      const one = launch(0, [named('count')], 1)
      const loaded = machine.load(
        programOf(
          [b.finish()],
          Array.from({ length: 500 }, () => one),
          [{ name: 'count', dtype: 'f32', shape: [1] }],
        ),
      )
      const pause = new Int32Array(new SharedArrayBuffer(4))
      for (let run = 0; run < 20; run++) {
        loaded.run()
        if (run % 5 === 0) Atomics.wait(pause, 0, 0, 5)
      }
      expect(machine.buffer('count', 'f32', [1])[0]).toBe(500 * 20)
    })
  })

  it('end with the machine, again and again', () => {
    for (let k = 0; k < 30; k++)
      withMachine({ threads: 4 }, (machine) => k % 2 === 0 && machine.load(chainProgram(machine.target, 4, 3)).run())
    const threads = spawnSync('sh', ['-c', `ls /proc/${process.pid}/task | wc -l`], { encoding: 'utf8' })
    expect(Number(threads.stdout)).toBeLessThan(60)
  })
})

describe.skipIf(absent !== undefined)('programs', () => {
  it('share named buffers, and an arena that grows', () => {
    withMachine({ threads: 1, poison: true }, (machine) => {
      const small = machine.load(chainProgram(machine.target, 4, 3))
      const state = machine.buffer('state', 'f32', [64])
      state.fill(1)
      small.run()
      const once = Array.from(state)
      const b = new KernelBuilder('copy', machine.target)
      const [from, to] = [b.pointer(), b.pointer()]
      b.store(b.load(b.at(from), 3), b.at(to), 3)
      const large = machine.load(
        programOf(
          [b.finish()],
          [launch(0, [named('state', 16), arena(40_000_000)], 1), launch(0, [arena(40_000_000), named('copy', 4)], 1)],
          [
            { name: 'state', dtype: 'f32', shape: [64] },
            { name: 'copy', dtype: 'f32', shape: [5] },
          ],
          40_000_064,
        ),
      )
      large.run()
      expect(Array.from(machine.buffer('copy', 'f32', [5]))).toEqual([0, once[4], once[5], once[6], 0])
      state.fill(1)
      small.run()
      expect(Array.from(state)).toEqual(once)
    })
  })

  it('start with NaN in temporary memory when asked to', () => {
    withMachine({ threads: 2, poison: true }, (machine) => {
      const b = new KernelBuilder('peek', machine.target)
      const [from, to] = [b.pointer(), b.pointer()]
      const place = b.reserveScratch(64)
      b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
        const seen = b.add(b.load(b.at(from), 1), b.constant(1))
        b.store(seen, b.at(to, 0, unit), 1)
        b.store(b.load(b.at(b.scratch, place), 1), b.at(to, 8, unit), 1)
        b.store(b.constant(1), b.at(from))
        b.store(b.constant(1), b.at(b.scratch, place))
      })
      const seen: PersistentBuffer = { name: 'seen', dtype: 'f32', shape: [4] }
      const loaded = machine.load(programOf([b.finish()], [launch(0, [arena(0), named('seen')], 1)], [seen], 64))
      for (let run = 0; run < 3; run++) {
        machine.buffer('seen', 'f32', [4]).fill(0)
        loaded.run()
        expect(Array.from(machine.buffer('seen', 'f32', [4]))).toEqual([Number.NaN, 0, Number.NaN, 0])
      }
    })
  })

  it('take the time of every launch', () => {
    withMachine({ threads: 2 }, (machine) => {
      const loaded = machine.load(chainProgram(machine.target, 64, 5))
      const before = performance.now()
      const times = loaded.profile()
      const elapsed = performance.now() - before
      expect(times.map(({ label }) => label)).toEqual(Array.from({ length: 5 }, () => 'launch of 0'))
      const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
      expect(times.every(({ milliseconds }) => milliseconds > 0)).toBe(true)
      expect(total).toBeLessThanOrEqual(elapsed)
    })
  })

  it.skipIf(!cpuFeatures()?.avx512)('print their code, statement by statement', () => {
    withMachine({ threads: 1 }, (machine) => {
      const loaded = machine.load(chainProgram(machine.target, 4, 1))
      const text = loaded.listing(0)
      expect(text).toContain('kernel mix:')
      expect(text).toMatch(
        /; store \[p1 \+ n\d+\*4\] = f\d+\n +[0-9a-f]+ +62[0-9a-f]+ +vmovups zmm\d, \[rdx \+ r\d+\*4\]\n/,
      )
      expect(text).toMatch(/; end of for n\d+ = unitBegin to unitEnd step 1\n/)
      expect(text.trimEnd()).toMatch(/c5f877c3 +leave$/)
      expect(() => loaded.listing(1)).toThrow('has kernels 0 to 0, not 1')
      expect(loaded.codeBytes).toBeGreaterThan(0)
    })
  })

  it('refuse what does not fit together', () => {
    withMachine({ threads: 1 }, (machine) => {
      const kernel = mixKernel(machine.target, 4)
      const state: PersistentBuffer = { name: 'state', dtype: 'f32', shape: [64] }
      const load = (launches: readonly Launch[]): unknown => machine.load(programOf([kernel], launches, [state]))
      expect(() => load([launch(1, [], 1)])).toThrow('names kernel 1 of 1')
      expect(() => load([launch(0, [named('state')], 1)])).toThrow('passes 1 buffers, kernel mix takes 2')
      expect(() => load([launch(0, [named('state'), named('state')], 0.5)])).toThrow('has 0.5 units')
      const unknown = machine.load(programOf([kernel], [launch(0, [named('state'), named('other')], 1)], [state]))
      expect(() => unknown.run()).toThrow('no buffer is named other')
      const wrong = mixKernel({ lanes: 4, vectorRegisters: 16 }, 4)
      expect(() => machine.load(programOf([wrong], [], []))).toThrow('built for 4 lanes')
    })
  })
})

describe.skipIf(absent !== undefined)('machines', () => {
  it('say what they are', () => {
    withMachine({ threads: 2, disable: ['avx512'] }, ({ description, target, threads, name }) => {
      expect({ description, target, threads, name }).toEqual({
        description: 'native x86-64 AVX2, 2 threads',
        target: { lanes: 8, vectorRegisters: 16 },
        threads: 2,
        name: 'native',
      })
    })
    const wide = cpuFeatures()!.avx512
    withMachine({ threads: 1 }, ({ description, target }) => {
      expect(description).toBe(`native x86-64 ${wide ? 'AVX-512' : 'AVX2'}, 1 thread`)
      expect(target.lanes).toBe(wide ? 16 : 8)
    })
  })

  it('read the features that the system reports', () => {
    const flags = spawnSync('cat', ['/proc/cpuinfo'], { encoding: 'utf8' }).stdout
    const reported = (flag: string): boolean => new RegExp(`^flags.* ${flag}( |$)`, 'm').test(flags)
    const features = cpuFeatures()!
    expect(features.avx2).toBe(reported('avx2'))
    expect(features.fma).toBe(reported('fma'))
    expect(features.avx512).toBe(['f', 'vl', 'dq', 'bw'].every((part) => reported(`avx512${part}`)))
    expect(features.bf16).toBe(features.avx512 && reported('avx512_bf16'))
    expect(flags).toContain(features.brand)
  })

  it('refuse impossible options', () => {
    expect(() => createNativeMachine({ threads: 0 })).toThrow('threads is 0')
    expect(() => createNativeMachine({ threads: 1.5 })).toThrow('threads is 1.5')
    expect(() => createNativeMachine({ threads: 1, disable: ['avx1024'] })).toThrow('unknown CPU feature "avx1024"')
    expect(() => createNativeMachine({ threads: 1, disable: ['fma'] })).toThrow(
      'AVX2 and FMA are needed, and fma is disabled',
    )
  })

  it('make named buffers once, zeroed, aligned, and of one type', () => {
    withMachine({ threads: 1 }, (machine) => {
      const large = machine.buffer('large', 'f32', [3, 1000, 1000])
      expect(large.length).toBe(3_000_000)
      expect(large.every((value) => value === 0)).toBe(true)
      expect(machine.buffer('large', 'f32', [3, 1000, 1000])).toBe(large)
      const ints = machine.buffer('ints', 'i32', [7])
      expect(ints).toBeInstanceOf(Int32Array)
      expect(machine.buffer('scalar', 'f32', []).length).toBe(1)
      expect([large, ints].every((array) => array.byteOffset % 64 === 0)).toBe(true)
      expect(() => machine.buffer('ints', 'f32', [7])).toThrow('buffer ints is i32[7]')
      expect(() => machine.buffer('ints', 'i32', [1, 7])).toThrow('buffer ints is i32[7]')
      expect(() => machine.buffer('huge', 'f32', [2 ** 30])).toThrow('buffer huge needs 4294967296 bytes')
    })
  })

  it('reach beyond 2^31 bytes', () => {
    withMachine({ threads: 1 }, (machine) => {
      const count = 2 ** 29 + 64
      const large: PersistentBuffer = { name: 'large', dtype: 'f32', shape: [count] }
      const b = new KernelBuilder('far', machine.target)
      const [start, far, one] = [b.pointer(), b.pointer(), b.pointer()]
      b.store(b.load(b.at(far), 1), b.at(start), 1)
      const index = b.intMul(b.loadInt(b.at(one)), 2 ** 29)
      b.store(b.load(b.at(start, 4 * 63, index), 1), b.at(start, 4), 1)
      const buffers = [named('large'), named('large', 4 * (count - 2)), named('one')]
      const one32: PersistentBuffer = { name: 'one', dtype: 'i32', shape: [1] }
      const loaded = machine.load(programOf([b.finish()], [launch(0, buffers, 1)], [large, one32]))
      const array = machine.buffer('large', 'f32', [count])
      array.set([5, 6], count - 2)
      machine.buffer('one', 'i32', [1])[0] = 1
      loaded.run()
      expect([array[0], array[1]]).toEqual([5, 6])
    })
  })

  it('are of no use once disposed of, and leave zeros in arrays that are still held', () => {
    const machine = new NativeMachine({ threads: 2 })
    const loaded = machine.load(chainProgram(machine.target, 4, 3))
    const state = machine.buffer('state', 'f32', [64])
    state.fill(3)
    loaded.run()
    machine.dispose()
    machine.dispose()
    expect(state[0]).toBe(0)
    expect(() => loaded.run()).toThrow('was disposed of')
    expect(() => loaded.profile()).toThrow('was disposed of')
    expect(() => machine.buffer('state', 'f32', [64])).toThrow('was disposed of')
  })
})
