/** Threads, memory and programs of the WebAssembly machine. */
import { afterEach, describe, expect, it } from 'vitest'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel, Value } from '../../kernel/kernel.ts'
import type { BufferReference, Launch, Program } from '../../plan/program.ts'
import type { Machine } from '../backend.ts'
import { createInterpretedMachine } from '../kernelInterpreter.ts'
import { wasmUnavailable } from './available.ts'
import { fusesMultiplyAdds } from './available.ts'
import { createWasmMachine, type WasmMachineOptions } from './machine.ts'

const TARGET: KernelTarget = { lanes: 4, vectorRegisters: 16 }
const machines: Machine[] = []

function start(options: WasmMachineOptions): Machine {
  const machine = createWasmMachine(options)
  machines.push(machine)
  return machine
}
afterEach(() => {
  for (const machine of machines.splice(0)) machine.dispose()
})

/**
 * out[u] = y - round(y), y = in[u - 1] + 2 in[u] + in[u + 1], one vector of 4 for each unit; the ends meet. It is chaotic: any
 * wrong bit spreads, and none is forgotten.
 */
function mixing(units: number): Kernel {
  const b = new KernelBuilder('mixing', TARGET)
  const [from, to] = [b.pointer(), b.pointer()]
  const two = b.constant(2)
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const load = (by: number): Value => {
      const neighbour = b.op('intModImmediate', [b.intAdd(unit, by)], units)
      return b.load(b.at(from, 0, b.intMul(neighbour, 2), 8))
    }
    const y = b.multiplyAdd(load(0), two, b.add(load(units - 1), load(1)))
    b.store(b.sub(y, b.op('round', [y])), b.at(to, 0, b.intMul(unit, 2), 8))
  })
  return b.finish()
}

/** out = in * factor + term, one vector for each unit. */
function affine(factor: number, term: number): Kernel {
  const b = new KernelBuilder(`affine ${factor} ${term}`, TARGET)
  const [from, to] = [b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const at = b.intMul(unit, 2)
    b.store(b.multiplyAdd(b.load(b.at(from, 0, at, 8)), b.constant(factor), b.constant(term)), b.at(to, 0, at, 8))
  })
  return b.finish()
}

const named = (name: string, offset = 0): BufferReference => ({ space: 'persistent', name, offset })
const arena = (offset: number): BufferReference => ({ space: 'arena', offset })

function launch(kernel: number, buffers: readonly BufferReference[], units: number, barrier = true): Launch {
  return { kernel, label: `launch of kernel ${kernel}`, buffers, units, barrier, flops: 1, bytes: 2 }
}

function programOf(name: string, size: number, parts: Pick<Program, 'kernels' | 'launches' | 'arenaBytes'>): Program {
  const persistent = [{ name: 'x', dtype: 'f32', shape: [size] } as const]
  return { name, persistent, scratchBytes: 0, flops: 0, ...parts }
}

/** x is mixed `rounds` times, back and forth between x and the arena: each launch needs what its neighbours wrote. */
function mixingProgram(units: number, rounds: number): Program {
  const launches = Array.from({ length: rounds }, (_, round) =>
    launch(0, round % 2 === 0 ? [named('x'), arena(0)] : [arena(0), named('x')], units),
  )
  return programOf('mix', 4 * units, { kernels: [mixing(units)], launches, arenaBytes: 16 * units })
}

function fill(values: { [index: number]: number; readonly length: number }): void {
  for (let k = 0; k < values.length; k++) values[k] = Math.sin(k) + 1.5
}

/** The bits of x after `runs` runs. */
function resultOf(machine: Machine, program: Program, runs: number): number[] {
  const size = program.persistent[0]!.shape[0]!
  const x = machine.buffer('x', 'f32', [size])
  fill(x)
  const loaded = machine.load(program)
  for (let run = 0; run < runs; run++) loaded.run()
  return [...new Int32Array(Float32Array.from(x).buffer)]
}

describe('threads', () => {
  it('do not change a bit of the result, over many barriers and runs', () => {
    const program = mixingProgram(13, 60)
    const wanted = resultOf(createInterpretedMachine({ ...TARGET, fusedMultiplyAdd: fusesMultiplyAdds() }), program, 20)
    expect(new Set(wanted).size).toBeGreaterThan(40)
    for (const threads of [1, 2, 3, 5]) {
      const machine = start({ threads })
      expect(machine.description).toContain(`${threads} thread`)
      expect(resultOf(machine, program, 20)).toEqual(wanted)
    }
  })

  it('meet at thousands of barriers, also where there are fewer units than threads', () => {
    const program = mixingProgram(2, 5000)
    const wanted = resultOf(start({ threads: 1 }), program, 2)
    expect(resultOf(start({ threads: 2 }), program, 2)).toEqual(wanted)
    expect(resultOf(start({ threads: 4 }), program, 2)).toEqual(wanted)
  })

  it('each have scratch memory of their own', () => {
    const writer = new KernelBuilder('write', TARGET)
    const offset = writer.reserveScratch(4 * 1024)
    writer.pointer()
    writer.store(writer.op('splat', [writer.unitEnd]), writer.at(writer.scratch, offset + 4080))
    const reader = new KernelBuilder('read', TARGET)
    reader.reserveScratch(4 * 1024)
    const out = reader.pointer()
    reader.for(reader.unitBegin, reader.unitEnd, 1, (unit) => {
      const seen = reader.load(reader.at(reader.scratch, offset + 4080), 4, 'i32')
      reader.store(reader.op('toFloat', [seen]), reader.at(out, 0, reader.intMul(unit, 2), 8))
    })
    const kernels = [writer.finish(), reader.finish()]
    // Kernels may not rely on what an earlier launch left in scratch; here it shows whose memory it is.
    const launches = [launch(0, [named('x')], 40), launch(1, [named('x')], 40)]
    const program = { ...programOf('scratch', 160, { kernels, launches, arenaBytes: 0 }), scratchBytes: 4096 }
    const machine = start({ threads: 4 })
    machine.load(program).run()
    const wanted = Array.from({ length: 160 }, (_, k) => 10 * (1 + Math.floor(k / 40)))
    expect([...machine.buffer('x', 'f32', [160])]).toEqual(wanted)
  })

  it.each([0, -1, 1.5, 257])('refuses %d threads', (threads) => {
    expect(() => createWasmMachine({ threads })).toThrow(`takes 1 to 256 threads, got ${threads}`)
  })
})

describe('programs', () => {
  it('alternate on one machine and share its buffers', () => {
    const machine = start({ threads: 2 })
    const x = machine.buffer('x', 'f32', [64])
    const grow = machine.load(
      programOf('double', 64, {
        kernels: [affine(2, 0)],
        launches: [launch(0, [named('x'), named('x')], 16)],
        arenaBytes: 0,
      }),
    )
    const shrink = machine.load(
      programOf('minus one', 64, {
        kernels: [affine(1, 0), affine(1, -1)],
        launches: [launch(0, [named('x'), arena(64)], 16), launch(1, [arena(64), named('x')], 16)],
        arenaBytes: 64 + 256,
      }),
    )
    x.fill(3)
    for (let round = 0; round < 5; round++) {
      grow.run()
      shrink.run()
    }
    // 3 -> 2 * 3 - 1 = 5 -> 9 -> 17 -> 33 -> 65
    expect([...x]).toEqual(Array.from({ length: 64 }, () => 65))
  })

  it('report a time for every launch, the code of a kernel, and nothing for no launches', () => {
    const machine = start({ threads: 2 })
    const program = mixingProgram(8, 6)
    const loaded = machine.load(program)
    const wanted = resultOf(machine, program, 1)
    fill(machine.buffer('x', 'f32', [32]))
    const times = loaded.profile()
    expect(times.map(({ label, flops, bytes }) => ({ label, flops, bytes }))).toEqual(
      program.launches.map(({ label, flops, bytes }) => ({ label, flops, bytes })),
    )
    expect(times.every(({ milliseconds }) => milliseconds >= 0)).toBe(true)
    expect([...new Int32Array(Float32Array.from(machine.buffer('x', 'f32', [32])).buffer)]).toEqual(wanted)
    expect(loaded.listing(0)).toMatch(/^kernel mixing\(.*\n {2}\d+ bytes of WebAssembly\n$/s)
    expect(() => loaded.listing(1)).toThrow('has no kernel 1')
    expect(loaded.codeBytes).toBeGreaterThan(300)
    const empty = machine.load(programOf('empty', 32, { kernels: [], launches: [], arenaBytes: 0 }))
    empty.run()
    expect(empty.profile()).toEqual([])
  })

  it('find NaN in the arena where they read what they have not written', () => {
    const program = programOf('careless', 64, {
      kernels: [affine(1, 0)],
      launches: [launch(0, [arena(0), named('x')], 16), launch(0, [named('x'), arena(0)], 16)],
      arenaBytes: 256,
    })
    const machine = start({ threads: 1, poison: true })
    const loaded = machine.load(program)
    machine.buffer('x', 'f32', [64]).fill(1)
    loaded.run()
    expect([...machine.buffer('x', 'f32', [64])].every(Number.isNaN)).toBe(true)
  })

  it('are refused where a kernel breaks the contract or names an unknown buffer', () => {
    const machine = start({ threads: 1 })
    const eight = new KernelBuilder('eight', { lanes: 8, vectorRegisters: 16 }).finish()
    const build = (kernel: Kernel, buffer: BufferReference) =>
      machine.load(
        programOf('bad', 4, { kernels: [kernel], launches: [launch(0, [buffer, buffer], 1)], arenaBytes: 0 }),
      )
    expect(() => build(eight, named('x'))).toThrow('kernel eight was built for 8 lanes')
    expect(() => build(affine(1, 0), named('y')).run()).toThrow('uses the buffer y, which is not among')
  })

  it('that fault name the launch, and stop the machine without hanging', () => {
    const b = new KernelBuilder('far', TARGET)
    const pointer = b.pointer()
    // Thread 0's units are harmless; the last unit's address is beyond all memory.
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      b.store(b.constant(1), b.at(b.intAdd(pointer, b.intMul(b.op('intDivImmediate', [unit], 3), 2 ** 30))))
    })
    const kernels = [affine(1, 0), b.finish()]
    for (const threads of [1, 2, 3]) {
      const machine = start({ threads })
      const launches = [
        launch(0, [named('x'), named('x')], 4),
        { ...launch(1, [named('x')], 4), label: 'the far one' },
        launch(0, [named('x'), named('x')], 4),
      ]
      const loaded = machine.load(programOf('faulty', 16, { kernels, launches, arenaBytes: 0 }))
      expect(() => loaded.run()).toThrow(/^program faulty, launch 1 \(the far one\), thread \d: .*out of bounds/)
      expect(() => loaded.run()).toThrow('stopped at an earlier error')
    }
  })
})

describe('memory', () => {
  it('keeps views and contents when it grows, before and between runs', () => {
    const machine = start({ threads: 2 })
    const small = machine.buffer('x', 'f32', [64])
    const program = mixingProgram(16, 8)
    const wanted = resultOf(start({ threads: 1 }), program, 3)
    const loaded = machine.load(program)
    fill(small)
    for (let run = 0; run < 3; run++) {
      const large = machine.buffer(`large ${run}`, 'f32', [3_000_000])
      expect(large.at(-1)).toBe(0)
      large.fill(run + 1)
      loaded.run()
    }
    expect([...new Int32Array(Float32Array.from(small).buffer)]).toEqual(wanted)
    expect(machine.buffer('x', 'f32', [64])).toBe(small)
    expect(machine.buffer('large 1', 'f32', [3_000_000]).at(1234)).toBe(2)
  })

  it('moves the arena to where a larger program finds room, and earlier programs with it', () => {
    const machine = start({ threads: 2, poison: true })
    const first = mixingProgram(64, 4)
    const wanted = resultOf(start({ threads: 1 }), first, 2)
    const loaded = machine.load(first)
    const x = machine.buffer('x', 'f32', [256])
    fill(x)
    loaded.run()
    machine.load({
      ...programOf('large', 256, { kernels: [], launches: [], arenaBytes: 50_000_000 }),
      scratchBytes: 10_000,
    })
    // What the arena left behind is given to others, zeroed, and no longer written by the first program.
    const inherited = machine.buffer('inherited', 'f32', [128])
    expect(inherited.byteOffset).toBeLessThan(65536)
    expect([...inherited]).toEqual(Array.from({ length: 128 }, () => 0))
    loaded.run()
    expect([...new Int32Array(Float32Array.from(x).buffer)]).toEqual(wanted)
    expect([...inherited]).toEqual(Array.from({ length: 128 }, () => 0))
  })

  it('reaches beyond 2 GiB', () => {
    const machine = start({ threads: 2 })
    // Its pages are never touched, so that no memory is taken for it.
    machine.buffer('unused', 'f32', [2 ** 29 + 2 ** 20])
    const program = mixingProgram(16, 8)
    const loaded = machine.load(program)
    const x = machine.buffer('x', 'f32', [64])
    expect(x.byteOffset).toBeGreaterThan(2 ** 31)
    fill(x)
    loaded.run()
    expect(loaded.profile().length).toBe(8)
    const bits = [...new Int32Array(Float32Array.from(x).buffer)]
    expect(bits).toEqual(resultOf(start({ threads: 1 }), program, 2))
  })

  it('refuses a buffer under another type or shape, and more than 4 GiB, and stays usable', () => {
    const machine = start({ threads: 1 })
    machine.buffer('x', 'f32', [4, 8])
    expect(() => machine.buffer('x', 'i32', [4, 8])).toThrow('buffer x is f32 [4, 8]; it was asked for as i32 [4, 8]')
    expect(() => machine.buffer('x', 'f32', [32])).toThrow('buffer x is f32 [4, 8]; it was asked for as f32 [32]')
    expect(() => machine.buffer('huge', 'f32', [2 ** 30])).toThrow(/buffer huge needs 4294967296 bytes, with \d+ of/)
    const large = programOf('large', 32, { kernels: [], launches: [], arenaBytes: 2 ** 32 })
    expect(() => machine.load({ ...large, persistent: [] })).toThrow(
      'the arena of program large needs 4294967296 bytes',
    )
    expect(machine.buffer('after', 'f32', [8]).length).toBe(8)
  })

  it('leaves the arena where it is when there is no room for a larger one', () => {
    const machine = start({ threads: 1 })
    const program = mixingProgram(8, 4)
    const wanted = resultOf(start({ threads: 1 }), program, 1)
    const loaded = machine.load(program)
    const large = { ...programOf('large', 32, { kernels: [], launches: [], arenaBytes: 2 ** 32 }), persistent: [] }
    expect(() => machine.load(large)).toThrow('needs 4294967296 bytes')
    const after = machine.buffer('after', 'f32', [32]).fill(7)
    const x = machine.buffer('x', 'f32', [32])
    fill(x)
    loaded.run()
    expect([...new Int32Array(Float32Array.from(x).buffer)]).toEqual(wanted)
    expect(after.every((value) => value === 7)).toBe(true)
  })
})

describe('a machine that was disposed of', () => {
  it('says so', () => {
    const machine = createWasmMachine({ threads: 2 })
    const loaded = machine.load(mixingProgram(4, 2))
    machine.dispose()
    machine.dispose()
    expect(() => loaded.run()).toThrow('disposed')
    expect(() => machine.buffer('x', 'f32', [1])).toThrow('disposed')
  })
})

describe('wasmUnavailable', () => {
  it('finds nothing missing here', () => {
    expect(wasmUnavailable()).toBeUndefined()
  })
})
