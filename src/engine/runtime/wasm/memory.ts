/** One shared WebAssembly memory, and the parts of it that are in use. */
import { CONTROL_BYTES } from '../../codegen/wasm/control.ts'
import { MAXIMUM_PAGES, PAGE_BYTES } from '../../codegen/wasm/module.ts'
import { requireWebAssembly, type WasmMemory } from './webAssembly.ts'

/** A cache line, so that no two blocks share one. */
const ALIGNMENT = 64
const MAXIMUM_BYTES = MAXIMUM_PAGES * PAGE_BYTES
/** The memory grows at least by this share of its size, for growing is a system call on all threads' behalf. */
const GROWTH = 1 / 8

export interface Block {
  /** Bytes from the start of the memory; a multiple of 64. */
  readonly address: number
  readonly bytes: number
}

const roundUp = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit

/** What is left of a block on both sides of a part of it. */
function without(block: Block, part: Block): Block[] {
  const before = { address: block.address, bytes: part.address - block.address }
  const end = part.address + part.bytes
  const after = { address: end, bytes: block.address + block.bytes - end }
  return [before, after].filter(({ bytes }) => bytes > 0)
}

/** Reserves 4 GiB of addresses; memory itself is taken as it is used. */
function newMemory(): WasmMemory {
  try {
    return new (requireWebAssembly().Memory)({ initial: 1, maximum: MAXIMUM_PAGES, shared: true })
  } catch (cause) {
    throw new Error(
      'the operating system refused 4 GiB of address space for WebAssembly memory: raise the limit (ulimit -v)',
      { cause },
    )
  }
}

/**
 * The memory of a machine. Blocks never move, and a view of a block stays valid when the memory grows: a shared memory
 * grows in place, and the shorter SharedArrayBuffers of before still show the same bytes.
 */
export class MachineMemory {
  readonly memory: WasmMemory
  /** Unused blocks below `#end`, by address, never adjacent. Replaced, not changed. */
  #free: readonly Block[] = []
  #end = roundUp(CONTROL_BYTES, ALIGNMENT)
  /** Bytes from here on were never part of a block: they are zero. */
  #untouched = this.#end

  constructor() {
    this.memory = newMemory()
  }

  /** A zeroed block. Throws where all memory together would exceed 4 GiB; `purpose` is for that message. */
  allocate(bytes: number, purpose: string): Block {
    const size = Math.max(ALIGNMENT, roundUp(bytes, ALIGNMENT))
    const block = this.#reuse(size) ?? this.#append(size, bytes, purpose)
    const dirty = Math.min(block.address + size, this.#untouched) - block.address
    if (dirty > 0) new Uint8Array(this.memory.buffer, block.address, dirty).fill(0)
    this.#untouched = Math.max(this.#untouched, block.address + size)
    return block
  }

  release(block: Block): void {
    const free: Block[] = []
    for (const next of [...this.#free, block].toSorted((a, b) => a.address - b.address)) {
      const last = free.at(-1)
      if (last === undefined || last.address + last.bytes < next.address) free.push(next)
      else free[free.length - 1] = { address: last.address, bytes: last.bytes + next.bytes }
    }
    const last = free.at(-1)
    if (last !== undefined && last.address + last.bytes === this.#end) {
      this.#end = last.address
      free.pop()
    }
    this.#free = free
  }

  /** Releases a block and allocates one that may overlap it. The old one stays where there is no memory for the new. */
  exchange(old: Block, bytes: number, purpose: string): Block {
    const [free, end] = [this.#free, this.#end]
    this.release(old)
    try {
      return this.allocate(bytes, purpose)
    } catch (error) {
      this.#free = free
      this.#end = end
      throw error
    }
  }

  floats({ address }: Block, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length)
  }
  ints({ address }: Block, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length)
  }
  doubles({ address }: Block, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length)
  }

  /** The smallest unused block that is large enough, cut to size. */
  #reuse(size: number): Block | undefined {
    const fitting = this.#free.filter((block) => block.bytes >= size).toSorted((a, b) => a.bytes - b.bytes)[0]
    if (fitting === undefined) return undefined
    const taken = { address: fitting.address, bytes: size }
    this.#free = this.#free.flatMap((block) => (block === fitting ? without(block, taken) : [block]))
    return taken
  }

  #append(size: number, bytes: number, purpose: string): Block {
    const address = this.#end
    this.#grow(address + size, bytes, purpose)
    this.#end = address + size
    return { address, bytes: size }
  }

  #grow(needed: number, bytes: number, purpose: string): void {
    const present = this.memory.buffer.byteLength
    if (needed <= present) return
    if (needed > MAXIMUM_BYTES) {
      throw new Error(
        `${purpose} needs ${bytes} bytes, with ${this.#end} of WebAssembly's ${MAXIMUM_BYTES} (4 GiB) in use: ` +
          `take a smaller batch or model, or the native backend`,
      )
    }
    const wanted = Math.min(MAXIMUM_BYTES, Math.max(needed, present * (1 + GROWTH)))
    try {
      this.memory.grow(Math.ceil((wanted - present) / PAGE_BYTES))
    } catch (cause) {
      throw new Error(`${purpose} needs ${bytes} bytes, which the operating system refused`, { cause })
    }
  }
}
