/** Programs that do nothing but multiply, or nothing but move memory: what a backend's code can reach at most. */
import { KernelBuilder, type KernelTarget } from '../kernel/builder.ts'
import type { Value } from '../kernel/kernel.ts'
import { verifyKernel } from '../kernel/verify.ts'
import type { PersistentBuffer, Program } from '../plan/program.ts'

/** A program and what one run of it does. */
export interface CeilingProgram {
  readonly program: Program
  readonly flops: number
  /** Bytes read and bytes written, each byte named by the program once. */
  readonly bytes: number
}

const floatBytes = 4
/** Registers that are no sum: two factors, and room for the generator. */
const otherRegisters = 4
/** Turns of the innermost loop in a unit of work: some 100 us. */
const turns = 16_384
/** Multiply-adds of each sum in a turn, to hide the loop's own instructions. */
const unroll = 4
/** Parts of a unit's arrays that are walked side by side: a core has more lines on their way than in one stream. */
const streams = 4
/** Bytes of each part: as many that streams do not fall on the same lines of a level-1 cache. */
const streamBytes = 65 * 1024
const chunkBytes = streams * streamBytes

/**
 * Multiply-adds on numbers in registers, in as many independent sums as there are registers, so that neither memory nor
 * the latency of an instruction holds them up. `bf16`: products of bf16 pairs, for targets that have the instruction.
 */
export function multiplyAddProgram(target: KernelTarget, units: number, kind: 'fp32' | 'bf16'): CeilingProgram {
  const name = `peak.${kind}`
  const sumCount = target.vectorRegisters - otherRegisters
  const b = new KernelBuilder(name, target)
  const [factors, results] = [b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const factor = (offset: number): Value => b.broadcast(b.at(factors, offset), kind === 'bf16' ? 'i32' : 'f32')
    const [left, right] = [factor(0), factor(floatBytes)]
    const sums = Array.from({ length: sumCount }, () => b.variable(b.constant(0)))
    b.for(0, turns, 1, () => {
      for (let u = 0; u < unroll; u++) {
        for (const sum of sums) {
          const next = kind === 'bf16' ? b.op('pairDot', [left, right, sum]) : b.multiplyAdd(left, right, sum)
          b.assign(sum, next)
        }
      }
    })
    const total = sums.reduce((a, c) => b.add(a, c))
    b.store(total, b.at(b.intAdd(results, b.intMul(unit, target.lanes * floatBytes))))
  })
  const flopsPerLane = kind === 'bf16' ? 4 : 2
  const flops = units * turns * unroll * sumCount * target.lanes * flopsPerLane
  const buffers = [buffer(`${name}/factors`, 2), buffer(`${name}/results`, units * target.lanes)]
  return { ...single(b, buffers, units, flops, 0), flops, bytes: 0 }
}

export const memoryProgramNames = ['read', 'copy', 'triad', 'update'] as const
export type MemoryProgramName = (typeof memoryProgramNames)[number]

/**
 * Passes over arrays of `bytes` each, larger than any cache: `read` adds up one, `copy` writes a = b, `triad` a = b + s·c
 * (McCalpin's STREAM, 1995, whose count of bytes this is: what the program reads and writes). A cache fetches a line
 * before a part of it is written, which nobody counts; `update`, a = b + s·a in place as an optimizer does, has nothing of
 * the kind. Each thread walks some parts of its arrays side by side, which is faster than one after another.
 */
export function memoryProgram(target: KernelTarget, bytes: number, name: MemoryProgramName): CeilingProgram {
  const units = Math.ceil(bytes / chunkBytes)
  const b = new KernelBuilder(`bandwidth.${name}`, target)
  const arrays = { read: 1, copy: 2, triad: 3, update: 2 }[name]
  const pointers = Array.from({ length: arrays }, () => b.pointer())
  const results = b.pointer()
  const vectorBytes = target.lanes * floatBytes
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const begin = b.intMul(unit, chunkBytes)
    const walked = pointers.map((pointer) => b.variable(b.intAdd(pointer, begin)))
    const scale = b.constant(3)
    const sums = Array.from({ length: streams }, () => b.variable(b.constant(0)))
    b.for(0, streamBytes / vectorBytes, 1, () => {
      for (let s = 0; s < streams; s++) {
        const [first, second, third] = walked.map((pointer) => b.at(pointer, s * streamBytes))
        if (name === 'read') b.assign(sums[s]!, b.add(sums[s]!, b.load(first!)))
        if (name === 'copy') b.store(b.load(second!), first!)
        if (name === 'update') b.store(b.multiplyAdd(scale, b.load(first!), b.load(second!)), first!)
        if (name === 'triad') b.store(b.multiplyAdd(scale, b.load(third!), b.load(second!)), first!)
      }
      for (const pointer of walked) b.assign(pointer, b.intAdd(pointer, vectorBytes))
    })
    const total = sums.reduce((a, c) => b.add(a, c))
    b.store(total, b.at(b.intAdd(results, b.intMul(unit, vectorBytes))))
  })
  const moved = units * chunkBytes * { read: 1, copy: 2, triad: 3, update: 3 }[name]
  const floats = (units * chunkBytes) / floatBytes
  const names = ['a', 'b', 'c'].slice(0, arrays)
  const buffers = [
    ...names.map((letter) => buffer(`bandwidth/${letter}`, floats)),
    buffer('bandwidth/results', units * target.lanes),
  ]
  return { ...single(b, buffers, units, 0, moved), flops: 0, bytes: moved }
}

function buffer(name: string, size: number): PersistentBuffer {
  return { name, dtype: 'f32', shape: [size] }
}

/** A program of one launch over these buffers. */
function single(
  b: KernelBuilder,
  persistent: readonly PersistentBuffer[],
  units: number,
  flops: number,
  bytes: number,
): { readonly program: Program } {
  const kernel = b.finish()
  verifyKernel(kernel)
  const { name, scratchBytes } = kernel
  const buffers = persistent.map((each) => ({ space: 'persistent', name: each.name, offset: 0 }) as const)
  const launch = { kernel: 0, label: name, buffers, units, barrier: false, flops, bytes }
  return { program: { name, kernels: [kernel], launches: [launch], persistent, arenaBytes: 0, scratchBytes, flops } }
}
