/** What a backend offers: named buffers that persist, and graphs made runnable. */
import type { Graph } from '../trace/trace.ts'
import type { DType, Shape } from '../ir/node.ts'
import type { Precision } from '../ops/precision.ts'
import type { Program } from '../plan/program.ts'
import type { KernelTarget } from '../kernel/builder.ts'
import type { LaunchShares } from '../plan/shares.ts'

export type BackendName = 'native' | 'wasm' | 'interpreter'
export type NumberArray = Float32Array | Float64Array | Int32Array

/** One measured launch of a profiled run. */
export interface LaunchTime {
  readonly label: string
  readonly milliseconds: number
  readonly flops: number
  readonly bytes: number
}

export interface ExecutableReport {
  readonly arenaBytes: number
  readonly flops: number
  readonly launches: number
  readonly kernels: number
  readonly codeBytes: number
  readonly compileMilliseconds: number
}

export interface Executable {
  readonly report: ExecutableReport
  /** Runs the whole program once, on all threads; returns when it is done. */
  run(): void
  /** Runs once with a clock around every launch. */
  profile(): readonly LaunchTime[]
}

/** Products in bf16 were asked for where they cannot be computed. `hint` says what to do. */
export class PrecisionError extends Error {
  override readonly name = 'PrecisionError'
  readonly hint = 'Use --precision fp32 (train.precision), the default: it needs nothing of the kind.'
}

export interface Backend {
  readonly name: BackendName
  /** For people: such as `native x86-64 AVX-512, 2 threads`. */
  readonly description: string
  readonly threads: number
  /** Why a better backend was passed over, where one was. */
  note?: string
  /** Why graphs with products in bf16 cannot run here, in words; undefined where they can. */
  readonly withoutBf16?: string | undefined
  /**
   * Makes a graph runnable. Its inputs, states and outputs become named buffers. Throws PrecisionError for products in bf16
   * where there are none.
   */
  compile(graph: Graph): Executable
  /** The live memory of a named buffer; made, zeroed, on first use. Throws where the name exists with another type. */
  buffer(name: string, dtype: DType, shape: Shape): NumberArray
  dispose(): void
}

/** Throws PrecisionError where the backend cannot multiply in this precision. */
export function assertPrecision({ withoutBf16 }: Pick<Backend, 'withoutBf16'>, precision: Precision): void {
  if (precision === 'fp32' || withoutBf16 === undefined) return
  throw new PrecisionError(`The precision bf16 cannot be had here: ${withoutBf16}.`)
}

/** The part of a backend that a code generator supplies: a target to build kernels for, memory, threads. */
export interface Machine {
  readonly name: 'native' | 'wasm'
  readonly description: string
  readonly threads: number
  readonly target: KernelTarget
  /** Why the target cannot multiply bf16 numbers; undefined where it can. */
  readonly withoutBf16?: string | undefined
  buffer(name: string, dtype: DType, shape: Shape): NumberArray
  /** Generates code for a program and binds it to this machine's memory. */
  load(program: Program): LoadedProgram
  dispose(): void
}

export interface LoadedProgram {
  readonly codeBytes: number
  /** By launch: who does what, and where threads wait for each other. */
  readonly shares: readonly LaunchShares[]
  run(): void
  profile(): readonly LaunchTime[]
  /** The generated code of kernel k, for people: hexadecimal bytes per statement, or text. */
  listing(kernel: number): string
}
