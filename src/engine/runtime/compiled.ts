/** A backend that compiles: the plan makes the program, a machine runs it. */
import type { DType, Shape } from '../ir/node.ts'
import type { KernelTarget } from '../kernel/builder.ts'
import type { BuiltKernel } from '../plan/launchSpec.ts'
import { planProgram } from '../plan/passes.ts'
import type { Program } from '../plan/program.ts'
import { usesBf16 } from '../trace/precision.ts'
import type { Graph } from '../trace/trace.ts'
import { assertPrecision, type Backend, type BackendName, type Executable } from './backend.ts'
import type { LoadedProgram, Machine, NumberArray } from './backend.ts'
import type { LaunchShares } from '../plan/shares.ts'

export interface CompiledExecutable extends Executable {
  readonly program: Program
  readonly shares: readonly LaunchShares[]
  /** The generated code of kernel k, for people. */
  listing(kernel: number): string
}

export class CompiledBackend implements Backend {
  readonly name: BackendName
  readonly description: string
  readonly threads: number
  readonly withoutBf16: string | undefined
  readonly #machine: Machine
  /** Programs share their kernels, and the machine these kernels' code. */
  readonly #built = new Map<string, BuiltKernel>()

  constructor(machine: Machine) {
    this.name = machine.name
    this.description = machine.description
    this.threads = machine.threads
    this.withoutBf16 = machine.withoutBf16
    this.#machine = machine
  }

  /** What kernels are built for. */
  get target(): KernelTarget {
    return this.#machine.target
  }

  compile(graph: Graph): CompiledExecutable {
    const start = performance.now()
    if (usesBf16(graph)) assertPrecision(this, 'bf16')
    const program = planProgram(graph, this.#machine.target, { built: this.#built })
    const loaded = this.#machine.load(program)
    return {
      program,
      shares: loaded.shares,
      report: {
        arenaBytes: program.arenaBytes,
        flops: program.flops,
        launches: program.launches.length,
        kernels: program.kernels.length,
        codeBytes: loaded.codeBytes,
        compileMilliseconds: performance.now() - start,
      },
      run: () => loaded.run(),
      profile: () => loaded.profile(),
      listing: (kernel) => loaded.listing(kernel),
    }
  }

  /** Makes a program runnable that was not planned from a graph. */
  load(program: Program): LoadedProgram {
    return this.#machine.load(program)
  }

  buffer(name: string, dtype: DType, shape: Shape): NumberArray {
    return this.#machine.buffer(name, dtype, shape)
  }

  dispose(): void {
    this.#machine.dispose()
  }
}
