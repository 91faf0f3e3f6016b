/** The machine that runs programs as WebAssembly: SIMD128, shared memory, worker threads. */
import { MAXIMUM_THREADS } from '../../codegen/wasm/control.ts'
import { WASM_LANES } from '../../codegen/wasm/kernelFunction.ts'
import { sameShape, sizeOf, type DType, type Shape } from '../../ir/node.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Program } from '../../plan/program.ts'
import type { LoadedProgram, Machine, NumberArray } from '../backend.ts'
import { fusesMultiplyAdds, wasmUnavailable } from './available.ts'
import { MachineMemory, type Block } from './memory.ts'
import { Team } from './team.ts'
import { WasmProgram, type ProgramHost } from './wasmProgram.ts'

export interface WasmMachineOptions {
  /** 1 to 256, the calling thread included. */
  readonly threads: number
  /** Whether multiply-adds may round once; where the engine can do that, unless told false. */
  readonly fuse?: boolean
  /** Fill arena and scratch with NaN before each run, so that reading what was not written shows. False unless told. */
  readonly poison?: boolean
}

/**
 * Starts a machine; its worker threads do not keep the process alive, and `dispose` ends them.
 *
 * All calls are synchronous. Memory is one block of addresses of 4 GiB at most; an error names the bytes asked for where
 * that is not enough. Throws where this process has no WebAssembly vectors or threads, see `wasmUnavailable`.
 */
export function createWasmMachine(options: WasmMachineOptions): Machine {
  const { threads } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > MAXIMUM_THREADS) {
    throw new Error(`the WebAssembly backend takes 1 to ${MAXIMUM_THREADS} threads, got ${threads}`)
  }
  const reason = wasmUnavailable()
  if (reason !== undefined) throw new Error(`the WebAssembly backend cannot run here: ${reason}`)
  return new WasmMachine(threads, (options.fuse ?? true) && fusesMultiplyAdds(), options.poison ?? false)
}

interface NamedBuffer {
  readonly dtype: DType
  readonly shape: Shape
  readonly block: Block
  readonly values: NumberArray
}

const CACHE_LINE = 64

class WasmMachine implements Machine {
  readonly name = 'wasm'
  readonly description: string
  readonly withoutBf16 = 'WebAssembly has no instructions for it'
  readonly threads: number
  /**
   * A loop body with fused multiply-adds is short enough for V8 when it has two steps, and gains nothing from more.
   *
   * Of x86-64's 16 vector registers V8 keeps some to itself, and an unfused multiply-add needs one more for its product: a
   * 4 x 2 tile of matmul runs half again as fast as any larger one (docs/LOG.md, tiles on WebAssembly).
   */
  readonly target: KernelTarget
  readonly #memory = new MachineMemory()
  readonly #team: Team
  readonly #host: ProgramHost
  readonly #buffers = new Map<string, NamedBuffer>()
  #programs = 0
  #disposed = false
  /** Shared by all programs, for only one runs at a time and none keeps anything there. */
  #arena: Block
  #scratch: Block
  /** Bytes of scratch for each thread. */
  #scratchStride = CACHE_LINE

  constructor(threads: number, fused: boolean, poison: boolean) {
    this.threads = threads
    this.target = { lanes: WASM_LANES, vectorRegisters: 11, ...(fused ? { unroll: 2 } : {}) }
    const vectors = fused ? 'SIMD128 with fused multiply-adds' : 'SIMD128'
    this.description = `WebAssembly ${vectors}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    this.#team = new Team(this.#memory.memory, threads)
    this.#arena = this.#memory.allocate(0, 'the arena')
    this.#scratch = this.#memory.allocate(threads * this.#scratchStride, 'scratch memory')
    this.#host = {
      threads,
      fused,
      poison,
      memory: this.#memory,
      team: this.#team,
      arena: () => this.#arena,
      scratch: () => ({ block: this.#scratch, stride: this.#scratchStride }),
      addressOf: (name) => this.#buffers.get(name)!.block.address,
      assertUsable: () => this.#assertUsable(),
    }
  }

  buffer(name: string, dtype: DType, shape: Shape): NumberArray {
    this.#assertUsable()
    const known = this.#buffers.get(name)
    if (known === undefined) {
      const size = sizeOf(shape)
      const block = this.#memory.allocate(4 * size, `buffer ${name}`)
      const values = dtype === 'i32' ? this.#memory.ints(block, size) : this.#memory.floats(block, size)
      this.#buffers.set(name, { dtype, shape, block, values })
      return values
    }
    if (known.dtype !== dtype || !sameShape(known.shape, shape)) {
      throw new Error(
        `buffer ${name} is ${known.dtype} [${known.shape.join(', ')}]; it was asked for as ${dtype} [${shape.join(', ')}]`,
      )
    }
    return known.values
  }

  load(program: Program): LoadedProgram {
    this.#assertUsable()
    for (const { name, dtype, shape } of program.persistent) this.buffer(name, dtype, shape)
    this.#reserve(program)
    return new WasmProgram(program, this.#programs++, this.#host)
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#team.dispose()
  }

  /** Makes arena and scratch large enough for the program, besides those that were loaded before. */
  #reserve({ name, arenaBytes, scratchBytes }: Program): void {
    if (arenaBytes > this.#arena.bytes) {
      this.#arena = this.#memory.exchange(this.#arena, arenaBytes, `the arena of program ${name}`)
    }
    const stride = Math.ceil(scratchBytes / CACHE_LINE) * CACHE_LINE
    if (stride > this.#scratchStride) {
      this.#scratch = this.#memory.exchange(this.#scratch, stride * this.threads, `scratch memory of program ${name}`)
      this.#scratchStride = stride
    }
  }

  #assertUsable(): void {
    if (this.#disposed) throw new Error('this WebAssembly machine was disposed of; create another')
    if (this.#team.failed) throw new Error('this WebAssembly machine stopped at an earlier error; create another')
  }
}
