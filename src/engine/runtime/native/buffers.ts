/** Named buffers: memory that outlives a run and is shared by all programs of a machine. */
import { sameShape, sizeOf, type DType, type Shape } from '../../ir/node.ts'
import type { NumberArray } from '../backend.ts'
import type { NativeLibrary } from './library.ts'
import { largestView, mapMemory, type Mapping } from './memory.ts'

interface NamedBuffer {
  readonly dtype: DType
  readonly shape: Shape
  readonly address: number
  /** Made when it is asked for: the collector counts what arrays show, and most buffers only programs ever touch. */
  readonly array: () => NumberArray
}

/** Where a buffer begins: in memory, and in a view of its mapping. */
interface Place {
  readonly address: number
  readonly view: () => ArrayBuffer
  readonly offset: number
}

/** Small buffers share mappings of this size. */
const chunkBytes = 2 ** 20
const ownMappingFrom = 2 ** 18
const alignment = 64
/**
 * Large buffers start at different offsets within a page: loads and stores whose addresses agree in the lower 12 bits
 * would wait for one another ("4K aliasing", Intel optimization manual).
 */
const stagger = 5 * alignment
const page = 4096
const elementBytes = 4

export class Buffers {
  readonly #library: NativeLibrary
  readonly #byName = new Map<string, NamedBuffer>()
  readonly #mappings: Mapping[] = []
  #chunk: { readonly view: () => ArrayBuffer; readonly address: number; used: number } | undefined
  #large = 0

  constructor(library: NativeLibrary) {
    this.#library = library
  }

  get(name: string, dtype: DType, shape: Shape): NumberArray {
    return this.#named(name, dtype, shape).array()
  }

  /** Makes the buffer, zeroed, if there is none of the name. */
  reserve(name: string, dtype: DType, shape: Shape): void {
    this.#named(name, dtype, shape)
  }

  #named(name: string, dtype: DType, shape: Shape): NamedBuffer {
    const known = this.#byName.get(name)
    if (!known) return this.#create(name, dtype, shape)
    if (known.dtype !== dtype || !sameShape(known.shape, shape)) {
      throw new Error(
        `buffer ${name} is ${known.dtype}[${known.shape.join(', ')}] and is now asked for as ${dtype}[${shape.join(', ')}]: ` +
          `use another name, or the same type everywhere`,
      )
    }
    return known
  }

  addressOf(name: string): number {
    const known = this.#byName.get(name)
    if (!known)
      throw new Error(`no buffer is named ${name}: a launch uses it, so the program must list it as persistent`)
    return known.address
  }

  /** Gives the pages back. Arrays that are still held read as zeros afterwards. */
  release(): void {
    for (const { address, bytes } of this.#mappings) this.#library.discard(address, bytes)
  }

  #create(name: string, dtype: DType, shape: Shape): NamedBuffer {
    const size = sizeOf(shape)
    const bytes = size * elementBytes
    if (bytes + page > largestView) {
      throw new Error(
        `buffer ${name} needs ${bytes} bytes; Node shows at most ${largestView} bytes of memory as one array`,
      )
    }
    const { address, view, offset } = bytes < ownMappingFrom ? this.#fromChunk(bytes) : this.#ownMapping(bytes)
    let array: NumberArray | undefined
    const show = (): NumberArray =>
      dtype === 'f32' ? new Float32Array(view(), offset, size) : new Int32Array(view(), offset, size)
    const created: NamedBuffer = { dtype, shape, address, array: () => (array ??= show()) }
    this.#byName.set(name, created)
    return created
  }

  #fromChunk(bytes: number): Place {
    const rounded = Math.ceil(bytes / alignment) * alignment
    if (!this.#chunk || this.#chunk.used + rounded > chunkBytes) this.#chunk = { ...this.#map(chunkBytes), used: 0 }
    const { view, address, used } = this.#chunk
    this.#chunk.used += rounded
    return { view, offset: used, address: address + used }
  }

  #ownMapping(bytes: number): Place {
    const offset = (this.#large++ * stagger) % page
    const { view, address } = this.#map(bytes + offset)
    return { view, offset, address: address + offset }
  }

  #map(bytes: number): { view: () => ArrayBuffer; address: number } {
    const mapping = mapMemory(this.#library, bytes)
    this.#mappings.push(mapping)
    let view: ArrayBuffer | undefined
    return { view: () => (view ??= this.#library.view(mapping.address, mapping.bytes)), address: mapping.address }
  }
}
