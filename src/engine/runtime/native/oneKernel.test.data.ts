/** For tests: programs of one kernel, run natively and by the interpreter of kernels on the same numbers. */
import { expect } from 'vitest'
import type { DType } from '../../ir/node.ts'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel, Value } from '../../kernel/kernel.ts'
import { verifyKernel } from '../../kernel/verify.ts'
import type { Program } from '../../plan/program.ts'
import type { Machine } from '../backend.ts'
import { createInterpretedMachine } from '../kernelInterpreter.ts'
import { cpuFeatures, NativeMachine, nativeUnavailable } from './machine.ts'

export interface NativePath {
  readonly name: string
  readonly lanes: number
  readonly disable: readonly string[]
  /** Whether it has instructions for pairs of bf16 numbers. */
  readonly bf16: boolean
  /** Why its tests are skipped here, if they are. */
  readonly absent: string | undefined
}

export const paths: readonly NativePath[] = [
  {
    name: 'AVX-512',
    lanes: 16,
    disable: [],
    bf16: cpuFeatures()?.bf16 ?? false,
    absent: nativeUnavailable() ?? (cpuFeatures()?.avx512 ? undefined : 'this processor has no AVX-512'),
  },
  { name: 'AVX2', lanes: 8, disable: ['avx512'], bf16: false, absent: nativeUnavailable() },
]

export interface BufferSpec {
  readonly name: string
  readonly dtype: DType
  readonly values: readonly number[]
}

export interface KernelSpec {
  readonly buffers: readonly BufferSpec[]
  readonly units: number
  /** Writes the kernel; `pointers` are the buffers in order. */
  build(b: KernelBuilder, pointers: readonly Value[]): void
}

export function buildKernel(spec: KernelSpec, target: KernelTarget): Kernel {
  const b = new KernelBuilder('tested', target)
  const pointers = spec.buffers.map(() => b.pointer())
  spec.build(b, pointers)
  const kernel = b.finish()
  verifyKernel(kernel)
  return kernel
}

export function programOf(kernel: Kernel, { buffers, units }: KernelSpec): Program {
  return {
    name: 'test',
    kernels: [kernel],
    launches: [
      {
        kernel: 0,
        label: 'only',
        buffers: buffers.map(({ name }) => ({ space: 'persistent', name, offset: 0 })),
        units,
        barrier: false,
        flops: 0,
        bytes: 0,
      },
    ],
    persistent: buffers.map(({ name, dtype, values }) => ({ name, dtype, shape: [values.length] })),
    arenaBytes: 0,
    scratchBytes: kernel.scratchBytes,
    flops: 0,
  }
}

function runOn(machine: Machine, program: Program, { buffers }: KernelSpec): ReadonlyMap<string, readonly number[]> {
  const loaded = machine.load(program)
  const arrays = buffers.map(({ name, dtype, values }) => ({
    name,
    array: machine.buffer(name, dtype, [values.length]),
  }))
  arrays.forEach(({ array }, k) => array.set(buffers[k]!.values))
  loaded.run()
  return new Map(arrays.map(({ name, array }) => [name, Array.from(array)]))
}

/** Runs the kernel both ways, expects the same bits in all buffers (any NaN for a NaN), and returns the buffers. */
export function expectAsInterpreted(
  path: NativePath,
  spec: KernelSpec,
  threads = 1,
): { readonly results: ReadonlyMap<string, readonly number[]>; readonly machine: NativeMachine } {
  const machine = new NativeMachine({ threads, disable: path.disable, poison: true })
  try {
    const program = programOf(buildKernel(spec, machine.target), spec)
    const interpreted = runOn(createInterpretedMachine(machine.target), program, spec)
    const results = runOn(machine, program, spec)
    for (const [name, values] of interpreted) expect(results.get(name), name).toEqual(values)
    return { results, machine }
  } finally {
    machine.dispose()
  }
}
