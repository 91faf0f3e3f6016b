/** The native machine: x86-64 code that this process writes and runs, on Linux. */
import { compileKernel, type CompiledKernel } from '../../codegen/x64/compile.ts'
import type { VectorFeatures } from '../../codegen/x64/constants.ts'
import type { DType, Shape } from '../../ir/node.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Program } from '../../plan/program.ts'
import type { Machine, NumberArray } from '../backend.ts'
import { Buffers } from './buffers.ts'
import { cpuFeatures, nativeUnavailable } from './availability.ts'
import { featureNames, type CpuFeatures } from './cpu.ts'
import { nativeLibrary, type NativeLibrary } from './library.ts'
import { NativeProgram, type Host } from './loadedProgram.ts'
import { mapMemory, poison, unmapMemory, type Mapping } from './memory.ts'
import { Threads } from './threads.ts'

export { cpuFeatures, nativeUnavailable }

export interface NativeOptions {
  /** Threads that share the work, from 1; this one is counted. */
  readonly threads: number
  /** CPU features to do without: `avx512` for the AVX2 path. */
  readonly disable?: readonly string[]
  /** For tests: fills temporary memory with NaN before each run. Default false. */
  readonly poison?: boolean
  /**
   * Expands products of bf16 pairs into f32 ops where the processor has no instructions for them: for tests and to try
   * what the numbers do, since it is slower than f32. Default false.
   */
  readonly expandBf16?: boolean
}

/** Enough for any machine; more is a mistake. */
const mostThreads = 1024

/**
 * A machine of `threads` threads. Threads other than the caller's sleep between runs; `dispose` ends them, and so does the
 * end of the process. Throws where native code cannot run, naming the reason, and for unknown feature names.
 */
export function createNativeMachine(options: NativeOptions): Machine {
  return new NativeMachine(options)
}

export class NativeMachine implements Machine {
  readonly name = 'native'
  readonly description: string
  readonly threads: number
  readonly target: KernelTarget
  readonly withoutBf16: string | undefined
  readonly #library: NativeLibrary
  readonly #features: VectorFeatures
  readonly #poison: boolean
  readonly #poisonViews = new Map<number, Uint8Array>()
  readonly #buffers: Buffers
  readonly #threads: Threads
  readonly #programs: NativeProgram[] = []
  readonly #code = new WeakMap<Kernel, CompiledKernel>()
  #arena: Mapping
  #scratch: Mapping | undefined
  #scratchBytes = 0
  #alive = true

  constructor({ threads, disable = [], poison: poisoned = false, expandBf16 = false }: NativeOptions) {
    const features = availableFeatures(disable)
    if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads) {
      throw new Error(`threads is ${threads}; expected a whole number from 1 to ${mostThreads}`)
    }
    this.#library = nativeLibrary()
    this.#features = { avx512: features.avx512, bf16: features.bf16 }
    this.#poison = poisoned
    this.threads = threads
    this.target = targetOf(features, expandBf16)
    this.withoutBf16 = this.target.bf16 === undefined ? whyNoBf16(features, disable) : undefined
    const plural = threads === 1 ? '1 thread' : `${threads} threads`
    this.description = `native x86-64 ${features.avx512 ? 'AVX-512' : 'AVX2'}, ${plural}`
    this.#buffers = new Buffers(this.#library)
    this.#threads = new Threads(this.#library, threads)
    this.#arena = mapMemory(this.#library, 0)
  }

  buffer(name: string, dtype: DType, shape: Shape): NumberArray {
    this.#assertAlive()
    return this.#buffers.get(name, dtype, shape)
  }

  load(program: Program): NativeProgram {
    this.#assertAlive()
    for (const { name, dtype, shape } of program.persistent) this.#buffers.reserve(name, dtype, shape)
    this.#growArena(program.arenaBytes)
    this.#growScratch(
      program.kernels.reduce((most, kernel) => Math.max(most, kernel.scratchBytes), program.scratchBytes),
    )
    const loaded = new NativeProgram(program, this.#host())
    this.#programs.push(loaded)
    return loaded
  }

  dispose(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#threads.stop()
    this.#buffers.release()
    for (const mapping of this.#programs.flatMap((program) => program.mappings)) unmapMemory(this.#library, mapping)
    unmapMemory(this.#library, this.#arena)
    if (this.#scratch) unmapMemory(this.#library, this.#scratch)
  }

  #host(): Host {
    return {
      library: this.#library,
      features: this.#features,
      codeOf: (kernel) => this.#codeOf(kernel),
      persistentAddress: (name) => this.#buffers.addressOf(name),
      arenaAddress: () => this.#arena.address,
      assertAlive: () => this.#assertAlive(),
      threads: this.threads,
      walk: (table, tableEnd, walks, stamps) => {
        if (this.#poison) this.#poisonTemporaries()
        this.#threads.run(table, tableEnd, walks, stamps)
      },
    }
  }

  #codeOf(kernel: Kernel): CompiledKernel {
    const code = this.#code.get(kernel) ?? compileKernel(kernel, this.#features)
    this.#code.set(kernel, code)
    return code
  }

  /** The arena is shared by all programs; they bind to the new address when they run next. */
  #growArena(bytes: number): void {
    if (bytes <= this.#arena.bytes) return
    const larger = mapMemory(this.#library, bytes)
    this.#forget(this.#arena)
    this.#arena = larger
  }

  #growScratch(bytes: number): void {
    // Staggered, so that the threads' scratch does not compete for the same cache sets.
    const each = Math.ceil(bytes / 4096) * 4096 + 320
    if (bytes === 0 || each <= this.#scratchBytes) return
    if (this.#scratch) this.#forget(this.#scratch)
    this.#scratch = mapMemory(this.#library, each * this.threads)
    this.#scratchBytes = each
    for (let t = 0; t < this.threads; t++) this.#threads.setScratch(t, this.#scratch.address + t * each)
  }

  #forget(mapping: Mapping): void {
    this.#poisonViews.clear()
    unmapMemory(this.#library, mapping)
  }

  #poisonTemporaries(): void {
    poison(this.#library, this.#poisonViews, this.#arena)
    if (this.#scratch) poison(this.#library, this.#poisonViews, this.#scratch)
  }

  #assertAlive(): void {
    if (!this.#alive) throw new Error('this native machine was disposed of: create a new one')
  }
}

function targetOf({ avx512, bf16 }: CpuFeatures, expandBf16: boolean): KernelTarget {
  const file = avx512 ? { lanes: 16, vectorRegisters: 32 } : { lanes: 8, vectorRegisters: 16 }
  if (bf16) return { ...file, bf16: 'instruction' }
  return expandBf16 ? { ...file, bf16: 'expanded' } : file
}

function whyNoBf16({ brand }: CpuFeatures, disable: readonly string[]): string {
  const needed = 'it needs the instructions AVX512_BF16'
  if (cpuFeatures()?.bf16 === true) return `${needed}, and ${disable.join(', ')} is disabled`
  return `${needed}, which this processor (${brand}) or its system does not offer`
}

function availableFeatures(disable: readonly string[]): CpuFeatures {
  for (const name of disable) {
    if (!featureNames.some((feature) => feature === name)) {
      throw new Error(`unknown CPU feature "${name}" to disable; known are ${featureNames.join(', ')}`)
    }
  }
  const reason = nativeUnavailable()
  const found = cpuFeatures()
  if (reason !== undefined || !found) throw new Error(`no native machine: ${reason}`)
  const on = (name: 'avx2' | 'fma' | 'avx512' | 'bf16'): boolean => found[name] && !disable.includes(name)
  const features: CpuFeatures = {
    brand: found.brand,
    avx2: on('avx2'),
    fma: on('fma'),
    avx512: on('avx512') && on('avx2') && on('fma'),
    bf16: on('bf16') && on('avx512'),
  }
  if (!features.avx2 || !features.fma) {
    throw new Error(`no native machine: AVX2 and FMA are needed, and ${disable.join(', ')} is disabled`)
  }
  return features
}
