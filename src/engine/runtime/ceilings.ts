/** What a backend's code reaches at most on this machine, measured by programs of its own code generator. */
import type { BackendOptions } from './create.ts'
import { BackendError, createBackend } from './create.ts'
import { CompiledBackend } from './compiled.ts'
import {
  memoryProgram,
  memoryProgramNames,
  multiplyAddProgram,
  type CeilingProgram,
  type MemoryProgramName,
} from './ceilingKernels.ts'

/** One measurement of all ceilings; flops and bytes per second, over all threads together. */
export interface CeilingRates {
  readonly peakFp32: number
  /** Null where the backend has no products of bf16 pairs. */
  readonly peakBf16: number | null
  /** Bytes read, and written, per second in each of the passes over memory; see `memoryProgram`. */
  readonly bandwidth: Readonly<Record<MemoryProgramName, number>>
}

export interface Ceilings {
  readonly description: string
  readonly threads: number
  /** Why `peakBf16` is null; undefined where it is not. */
  readonly withoutBf16?: string | undefined
  /** Measures everything once more, in some 0.2 s. */
  measure(): CeilingRates
  dispose(): void
}

export interface CeilingOptions extends BackendOptions {
  /** Bytes of each of the three arrays of the bandwidth programs; 128 MiB unless told, beyond the caches of one socket. */
  readonly arrayBytes?: number
  /** Units of 100 us or so in a measurement of the peak, for each thread; 64 unless told. */
  readonly peakUnits?: number
}

/** Fastest of so many runs of each program in one measurement: what disturbs one of them is not the machine's limit. */
const runs = 3

/**
 * Programs on threads and memory of their own, which `dispose` gives back. Throws as `createBackend` does, and for the
 * interpreter, which generates no code.
 */
export function createCeilings(options: CeilingOptions = {}): Ceilings {
  const backend = createBackend(options)
  if (!(backend instanceof CompiledBackend)) {
    throw new BackendError(
      `The ${backend.name} backend does not compile, so it has no ceilings to measure.`,
      'Choose --backend native or --backend wasm.',
    )
  }
  const { target, threads, description } = backend
  const units = threads * (options.peakUnits ?? 64)
  const arrayBytes = options.arrayBytes ?? 128 * 2 ** 20
  const bf16 = target.bf16 === 'instruction'
  const timer = (built: CeilingProgram) => {
    const loaded = backend.load(built.program)
    // Memory that was never written is one page of zeros, which is read from the cache.
    for (const { name, dtype, shape } of built.program.persistent) backend.buffer(name, dtype, shape).fill(1)
    loaded.run()
    return (): number => {
      let best = Infinity
      for (let k = 0; k < runs; k++) {
        const start = performance.now()
        loaded.run()
        best = Math.min(best, performance.now() - start)
      }
      return (1e3 * (built.flops + built.bytes)) / best
    }
  }
  const fp32 = timer(multiplyAddProgram(target, units, 'fp32'))
  const pairs = bf16 ? timer(multiplyAddProgram(target, units, 'bf16')) : null
  const passes = memoryProgramNames.map((name) => [name, timer(memoryProgram(target, arrayBytes, name))] as const)
  return {
    description,
    threads,
    withoutBf16: bf16 ? undefined : (backend.withoutBf16 ?? 'bf16 is expanded into ops on f32 here'),
    measure: () => ({
      peakFp32: fp32(),
      peakBf16: pairs === null ? null : pairs(),
      bandwidth: Object.fromEntries(passes.map(([name, rate]) => [name, rate()])) as CeilingRates['bandwidth'],
    }),
    dispose: () => backend.dispose(),
  }
}
