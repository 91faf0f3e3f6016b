/** A program in memory: its kernels' code, its launch tables, and their binding to a machine's buffers. */
import { launchEntry } from '../../codegen/x64/driver.ts'
import type { CompiledKernel } from '../../codegen/x64/compile.ts'
import type { VectorFeatures } from '../../codegen/x64/constants.ts'
import { listKernel } from '../../codegen/x64/listing.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Program } from '../../plan/program.ts'
import type { LaunchTime, LoadedProgram } from '../backend.ts'
import type { NativeLibrary } from './library.ts'
import { mapCode, mapMemory, type Mapping } from './memory.ts'
import { shareProgram, type LaunchShares } from '../../plan/shares.ts'

/** What a program needs of the machine that it is loaded into. */
export interface Host {
  readonly library: NativeLibrary
  readonly features: VectorFeatures
  /** A kernel's code, generated once for all programs. */
  codeOf(kernel: Kernel): CompiledKernel
  /** Address of a named buffer. */
  persistentAddress(name: string): number
  /** Address of the arena; it moves when the arena grows. */
  arenaAddress(): number
  readonly threads: number
  /** Walks a launch table on all threads, which was walked `walks` times before. */
  walk(table: number, tableEnd: number, walks: number, stamps: number): void
  /** Throws once the machine is gone. */
  assertAlive(): void
}

const wordBytes = 8
const codeAlignment = 64

export class NativeProgram implements LoadedProgram {
  readonly codeBytes: number
  readonly shares: readonly LaunchShares[]
  /** By kernel. */
  readonly compiled: readonly CompiledKernel[]
  readonly #program: Program
  readonly #host: Host
  readonly #code: Mapping
  readonly #tables: Mapping
  readonly #words: BigUint64Array
  /** The same as 32-bit halves, the lower first: numbers are written without becoming BigInts. */
  readonly #halves: Uint32Array
  readonly #layout: TableLayout
  #boundTo = -1
  #runs = 0
  #profiles = 0

  constructor(program: Program, host: Host) {
    checkLaunches(program)
    this.#program = program
    this.#host = host
    this.shares = shareProgram(program, host.threads, true)
    this.compiled = program.kernels.map((kernel) => host.codeOf(kernel))
    const offsets: number[] = []
    let bytes = 0
    for (const kernel of this.compiled) {
      offsets.push(bytes)
      bytes += Math.ceil(kernel.bytes.length / codeAlignment) * codeAlignment
    }
    const image = new Uint8Array(bytes)
    this.compiled.forEach((kernel, k) => image.set(kernel.bytes, offsets[k]))
    this.codeBytes = bytes
    this.#code = mapCode(host.library, image)
    this.#layout = layOut(program)
    this.#tables = mapMemory(host.library, this.#layout.bytes)
    this.#words = new BigUint64Array(host.library.view(this.#tables.address, this.#tables.bytes))
    this.#halves = new Uint32Array(this.#words.buffer)
    this.#writeLaunches(offsets)
  }

  run(): void {
    this.#bind()
    const table = this.#tables.address
    this.#host.walk(table, table + this.#program.launches.length * launchEntry.bytes, this.#runs++, 0)
  }

  profile(): readonly LaunchTime[] {
    this.#bind()
    const { launches } = this.#program
    const table = this.#tables.address + this.#layout.profileTable
    const before = performance.now()
    const stamps = this.#tables.address + this.#layout.stamps
    this.#host.walk(table, table + launches.length * launchEntry.bytes, this.#profiles++, stamps)
    const milliseconds = performance.now() - before
    const first = this.#layout.stamps / wordBytes
    const ticks = (k: number): number => Number(this.#words[first + k + 1]! - this.#words[first + k]!)
    const total = launches.reduce((sum, _, k) => sum + ticks(k), 0)
    return launches.map(({ label, flops, bytes }, k) => ({
      label,
      milliseconds: total > 0 ? (ticks(k) / total) * milliseconds : 0,
      flops,
      bytes,
    }))
  }

  listing(kernel: number): string {
    const found = this.#program.kernels[kernel]
    if (!found) {
      throw new Error(
        `program ${this.#program.name} has kernels 0 to ${this.#program.kernels.length - 1}, not ${kernel}`,
      )
    }
    return listKernel(found, this.#host.features)
  }

  /** For the machine that is disposed of: what to give back. */
  get mappings(): readonly Mapping[] {
    return [this.#code, this.#tables]
  }

  /** Two tables: as planned, and with a barrier before every launch for the profile. */
  #writeLaunches(codeOffsets: readonly number[]): void {
    const { launches } = this.#program
    for (const [start, forced] of [
      [0, false],
      [this.#layout.profileTable, true],
    ] as const) {
      launches.forEach((launch, k) => {
        const at = start + k * launchEntry.bytes
        this.#setWord(at + launchEntry.kernel, this.#code.address + codeOffsets[launch.kernel]!)
        this.#setWord(at + launchEntry.arguments, this.#tables.address + this.#layout.arguments[k]!)
        this.#setWord(at + launchEntry.units, launch.units)
        const { fixed, grain, takes, barrier } = this.shares[k]!
        this.#setWord(at + launchEntry.barrier, barrier || forced ? 1 : 0)
        this.#setWord(at + launchEntry.fixed, fixed)
        this.#setWord(at + launchEntry.grain, grain)
        this.#setWord(at + launchEntry.takes, takes)
        this.#setWord(at + launchEntry.tries, (takes + this.#host.threads) * 2 ** 32)
      })
    }
  }

  /** Writes the buffer addresses, unless they still hold. */
  #bind(): void {
    this.#host.assertAlive()
    const arena = this.#host.arenaAddress()
    if (arena === this.#boundTo) return
    this.#program.launches.forEach(({ buffers }, k) => {
      buffers.forEach((buffer, b) => {
        const base = buffer.space === 'arena' ? arena : this.#host.persistentAddress(buffer.name)
        this.#setWord(this.#layout.arguments[k]! + b * wordBytes, base + buffer.offset)
      })
    })
    this.#boundTo = arena
  }

  #setWord(offset: number, value: number): void {
    this.#halves[offset / 4] = value // modulo 2³²
    this.#halves[offset / 4 + 1] = value / 2 ** 32
  }
}

/** Offsets in the memory of tables: launches first. */
interface TableLayout {
  readonly profileTable: number
  readonly stamps: number
  /** By launch. */
  readonly arguments: readonly number[]
  readonly bytes: number
}

function layOut({ launches }: Program): TableLayout {
  const profileTable = launches.length * launchEntry.bytes
  const stamps = 2 * profileTable
  let bytes = stamps + (launches.length + 1) * wordBytes
  const starts = launches.map(({ buffers }) => {
    const start = bytes
    bytes += buffers.length * wordBytes
    return start
  })
  return { profileTable, stamps, arguments: starts, bytes }
}

function checkLaunches({ name, kernels, launches }: Program): void {
  for (const { kernel, label, buffers, units } of launches) {
    const found = kernels[kernel]
    if (!found) throw new Error(`program ${name}: launch "${label}" names kernel ${kernel} of ${kernels.length}`)
    if (found.pointers.length !== buffers.length) {
      throw new Error(
        `program ${name}: launch "${label}" passes ${buffers.length} buffers, kernel ${found.name} takes ${found.pointers.length}`,
      )
    }
    if (!Number.isInteger(units) || units < 0) throw new Error(`program ${name}: launch "${label}" has ${units} units`)
  }
}
