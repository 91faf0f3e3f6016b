/** A program as a compiled WebAssembly module, bound to a machine's memory. */
import { launchRecord, launchRecordBytes } from '../../codegen/wasm/control.ts'
import { emitModule, type ProgramModule } from '../../codegen/wasm/module.ts'
import { printKernel } from '../../kernel/print.ts'
import { verifyKernel } from '../../kernel/verify.ts'
import type { BufferReference, Program } from '../../plan/program.ts'
import type { LaunchTime, LoadedProgram } from '../backend.ts'
import { shareProgram, type LaunchShares } from '../../plan/shares.ts'
import { compileOptimized } from './compile.ts'
import type { Block, MachineMemory } from './memory.ts'
import type { RunArguments, Team } from './team.ts'
import { requireWebAssembly } from './webAssembly.ts'

/** What a program needs of its machine. */
export interface ProgramHost {
  readonly threads: number
  /** Whether multiply-adds round once, by one instruction. */
  readonly fused: boolean
  readonly poison: boolean
  readonly memory: MachineMemory
  readonly team: Team
  arena(): Block
  scratch(): { readonly block: Block; readonly stride: number }
  /** The address of a named buffer, in bytes. */
  addressOf(name: string): number
  /** Throws where the machine was disposed of or has failed. */
  assertUsable(): void
}

/** thread, launch table, launches, scratch, clock readings: see `driverParameters`. */
type Driver = (thread: number, table: number, launches: number, scratch: number, clocks: number) => void

export class WasmProgram implements LoadedProgram {
  readonly codeBytes: number
  readonly shares: readonly LaunchShares[]
  readonly #program: Program
  readonly #id: number
  readonly #host: ProgramHost
  readonly #module: ProgramModule
  readonly #driver: Driver
  readonly #table: Block
  readonly #arguments: Block
  readonly #clocks: Block
  /** The arena's address that the argument tables were written for. */
  #boundArena: number | undefined

  constructor(program: Program, id: number, host: ProgramHost) {
    this.#program = program
    this.shares = shareProgram(program, host.threads, false)
    this.#id = id
    this.#host = host
    for (const kernel of program.kernels) verifyKernel(kernel)
    this.#module = emitModule(program.kernels, host.threads, host.fused)
    this.codeBytes = this.#module.bytes.length
    const compiled = compileOptimized(this.#module.bytes)
    const machine = { memory: host.memory.memory, clock: () => performance.now() }
    this.#driver = new (requireWebAssembly().Instance)(compiled, { machine }).exports['run'] as Driver
    host.team.load(id, compiled)
    const { launches, name } = program
    const buffers = launches.reduce((count, launch) => count + launch.buffers.length, 0)
    const purpose = `the launch table of program ${name}`
    this.#table = host.memory.allocate(launches.length * launchRecordBytes(host.threads), purpose)
    this.#arguments = host.memory.allocate(4 * buffers, purpose)
    this.#clocks = host.memory.allocate(8 * (launches.length + 1), purpose)
    this.#writeTable()
  }

  run(): void {
    this.#run(0)
  }

  profile(): readonly LaunchTime[] {
    this.#run(this.#clocks.address)
    const { launches } = this.#program
    const times = this.#host.memory.doubles(this.#clocks, launches.length + 1)
    return launches.map(({ label, flops, bytes }, k) => ({
      label,
      milliseconds: times[k + 1]! - times[k]!,
      flops,
      bytes,
    }))
  }

  listing(kernel: number): string {
    const bytes = this.#module.kernelBytes[kernel]
    if (bytes === undefined) throw new Error(`program ${this.#program.name} has no kernel ${kernel}`)
    return `${printKernel(this.#program.kernels[kernel]!)}  ${bytes} bytes of WebAssembly\n`
  }

  #run(clocks: number): void {
    const { assertUsable, poison, scratch, team, arena } = this.#host
    assertUsable()
    if (this.#boundArena !== arena().address) this.#writeArguments()
    if (poison) this.#poison()
    const { block, stride } = scratch()
    const run: RunArguments = {
      program: this.#id,
      table: this.#table.address,
      launches: this.#program.launches.length,
      scratch: block.address,
      scratchStride: stride,
      clocks,
    }
    team.start(run)
    try {
      this.#driver(0, run.table, run.launches, run.scratch, clocks)
    } catch (error) {
      const { thread, launch, message } = team.failure(error)
      const label = this.#program.launches[launch]?.label
      throw new Error(`program ${this.#program.name}, launch ${launch} (${label}), thread ${thread}: ${message}`, {
        cause: error,
      })
    }
  }

  #poison(): void {
    const { memory, arena, scratch } = this.#host
    for (const block of [arena(), scratch().block]) memory.floats(block, block.bytes / 4).fill(Number.NaN)
  }

  /** What never changes: kernels, barriers, and each thread's units. */
  #writeTable(): void {
    const { memory, threads } = this.#host
    const recordWords = launchRecordBytes(threads) / 4
    const words = memory.ints(this.#table, this.#program.launches.length * recordWords)
    let argument = this.#arguments.address
    this.#program.launches.forEach((launch, k) => {
      const record = words.subarray(k * recordWords)
      record[launchRecord.kernel / 4] = launch.kernel
      record[launchRecord.arguments / 4] = argument
      record[launchRecord.barrier / 4] = this.shares[k]!.barrier ? 1 : 0
      this.shares[k]!.bounds.forEach((bound, thread) => (record[launchRecord.bounds / 4 + thread] = bound))
      argument += 4 * launch.buffers.length
    })
  }

  /** The addresses of all buffers, for where the arena is now. */
  #writeArguments(): void {
    const arena = this.#host.arena().address
    const addressOf = (buffer: BufferReference): number =>
      (buffer.space === 'arena' ? arena : this.#persistent(buffer.name)) + buffer.offset
    const addresses = this.#program.launches.flatMap((launch) => launch.buffers.map(addressOf))
    this.#host.memory.ints(this.#arguments, addresses.length).set(addresses)
    this.#boundArena = arena
  }

  #persistent(name: string): number {
    if (!this.#program.persistent.some((buffer) => buffer.name === name)) {
      throw new Error(
        `program ${this.#program.name}: a launch uses the buffer ${name}, which is not among its persistent buffers`,
      )
    }
    return this.#host.addressOf(name)
  }
}
