/** The threads of a machine: blocks in memory that the driver's machine code reads, and system threads parked on them. */
import { availableParallelism } from 'node:os'
import { assembleDriver, control, threadBlock } from '../../codegen/x64/driver.ts'
import type { NativeLibrary } from './library.ts'
import { mapCode, mapMemory, unmapMemory, type Mapping } from './memory.ts'

/**
 * A look takes about 40 cycles (pause): threads sleep after some 50 microseconds without work, 20 at a barrier. Where another
 * program wants the core, a thread that sleeps soon lets the others go on soon (docs/LOG.md, how long to watch).
 */
const goSpins = 4_000
const barrierSpins = 1_500
/** Room for pthread_sigmask and pthread_create, behind the blocks. */
const workspaceBytes = 512

export class Threads {
  readonly count: number
  readonly #library: NativeLibrary
  readonly #code: Mapping
  readonly #blocks: Mapping
  readonly #words: BigUint64Array
  readonly #halves: Uint32Array
  readonly #run: number
  readonly #wake: number
  readonly #handles: bigint[] = []

  /** Starts `count - 1` system threads; the calling thread is the first. */
  constructor(library: NativeLibrary, count: number) {
    const driver = assembleDriver()
    const workspace = control.bytes + count * threadBlock.bytes
    this.#library = library
    this.count = count
    this.#code = mapCode(library, driver.bytes)
    this.#blocks = mapMemory(library, workspace + workspaceBytes)
    this.#run = this.#code.address + driver.run
    this.#wake = this.#code.address + driver.wake
    const view = library.view(this.#blocks.address, this.#blocks.bytes)
    this.#words = new BigUint64Array(view)
    this.#halves = new Uint32Array(view)
    this.#setWord(control.threads, count)
    // With more threads than cores, whoever spins keeps another from working.
    const spin = count <= availableParallelism()
    this.#halves[control.goSpins / 4] = spin ? goSpins : 0
    this.#halves[control.barrierSpins / 4] = spin ? barrierSpins : 0
    for (let t = 0; t < count; t++) {
      const block = control.bytes + t * threadBlock.bytes
      this.#setWord(block + threadBlock.index, t)
      this.#setWord(block + threadBlock.control, this.#blocks.address)
    }
    try {
      for (let t = 1; t < count; t++) {
        const start = this.#code.address + driver.thread
        this.#handles.push(library.startThread(start, this.#blockOf(t), this.#blocks.address + workspace))
      }
    } catch (error) {
      this.stop()
      throw error
    }
  }

  setScratch(thread: number, address: number): void {
    this.#setWord(control.bytes + thread * threadBlock.bytes + threadBlock.scratch, address)
  }

  /**
   * Walks the launch table [table, tableEnd) once on all threads. `walks` is how many times it was walked before, `stamps`
   * where to write time stamps, or 0.
   */
  run(table: number, tableEnd: number, walks: number, stamps: number): void {
    this.#setWord(control.table, table)
    this.#setWord(control.tableEnd, tableEnd)
    this.#setWord(control.stamps, stamps)
    this.#halves[control.walks / 4] = walks
    this.#library.call(this.#run, this.#blockOf(0), 0, 0)
  }

  /** Ends the system threads and gives their memory back. */
  stop(): void {
    this.#halves[control.exit / 4] = 1
    this.#library.call(this.#wake, this.#blockOf(0), 0, 0)
    for (const handle of this.#handles) this.#library.joinThread(handle)
    unmapMemory(this.#library, this.#code)
    unmapMemory(this.#library, this.#blocks)
  }

  #blockOf(thread: number): number {
    return this.#blocks.address + control.bytes + thread * threadBlock.bytes
  }
  #setWord(offset: number, value: number): void {
    this.#words[offset / 8] = BigInt(value)
  }
}
