/** Growing machine code: bytes, labels with their jumps, and a pool of constants behind the code. */

/** A place in the code that jumps may name before it is known. */
export type Label = number

/** Index of an entry in the constant pool. */
export type PoolEntry = number

interface Fixup {
  /** Where the 32-bit displacement is. */
  readonly at: number
  /** Where the instruction ends: displacements count from here. */
  readonly end: number
  /** A label or a pool entry. */
  readonly target: number
}

/** Bytes between the code and its pool are filled to this, so that pool entries can be aligned to a cache line. */
const cacheLine = 64

/** Multi-byte no-operations of 1 to 8 bytes (Intel SDM volume 2B, NOP, table 4-12). */
const fillers: readonly (readonly number[])[] = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
]

export class CodeBuffer {
  /** Bytes written so far. */
  length = 0
  #bytes = new Uint8Array(4096)
  readonly #labels: number[] = []
  readonly #jumps: Fixup[] = []
  readonly #poolUses: Fixup[] = []
  readonly #poolEntries: Uint8Array[] = []
  readonly #poolKeys = new Map<string, PoolEntry>()

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.length++] = value
  }

  bytes(values: readonly number[]): void {
    for (const value of values) this.byte(value)
  }

  int32(value: number): void {
    if (this.length + 4 > this.#bytes.length) this.#grow(4)
    const { length } = this
    this.#bytes[length] = value
    this.#bytes[length + 1] = value >> 8
    this.#bytes[length + 2] = value >> 16
    this.#bytes[length + 3] = value >> 24
    this.length = length + 4
  }

  int64(value: bigint): void {
    this.int32(Number(BigInt.asIntN(32, value)))
    this.int32(Number(BigInt.asIntN(32, value >> 32n)))
  }

  /** No-operations up to the next multiple of `boundary`. */
  align(boundary: number): void {
    let missing = (boundary - (this.length % boundary)) % boundary
    while (missing > 0) {
      const size = Math.min(missing, fillers.length)
      this.bytes(fillers[size - 1]!)
      missing -= size
    }
  }

  label(): Label {
    this.#labels.push(-1)
    return this.#labels.length - 1
  }

  /** The label is here. */
  bind(label: Label): void {
    this.#labels[label] = this.length
  }

  /** Where the label is bound; negative while it is not. */
  positionOf(label: Label): number {
    return this.#labels[label]!
  }

  /** Four bytes that will hold the distance from their end to the label. */
  labelDisplacement(label: Label): void {
    this.#jumps.push({ at: this.length, end: this.length + 4, target: label })
    this.int32(0)
  }

  /** Four bytes that will hold the distance to a constant, in an instruction with `trailing` bytes after them. */
  poolDisplacement(entry: PoolEntry, trailing: number): void {
    this.#poolUses.push({ at: this.length, end: this.length + 4 + trailing, target: entry })
    this.int32(0)
  }

  /** The pool entry with these bytes; each content is stored once. Its address is a multiple of its size. */
  pool(key: string, content: () => Uint8Array): PoolEntry {
    const known = this.#poolKeys.get(key)
    if (known !== undefined) return known
    const entry = this.#poolEntries.push(content()) - 1
    this.#poolKeys.set(key, entry)
    return entry
  }

  /** The code and behind it its constants, to be placed at a multiple of 64 bytes. */
  finish(): { readonly bytes: Uint8Array; readonly codeBytes: number } {
    const codeBytes = this.length
    for (const { at, end, target } of this.#jumps) {
      const position = this.#labels[target]!
      if (position < 0) throw new Error(`label ${target} is jumped to and bound nowhere`)
      this.#patch(at, position - end)
    }
    const places = this.#placePool()
    for (const { at, end, target } of this.#poolUses) this.#patch(at, places[target]! - end)
    return { bytes: this.#bytes.slice(0, this.length), codeBytes }
  }

  /** Appends the constants, larger ones first so that each is aligned; returns where each one lies. */
  #placePool(): readonly number[] {
    const places: number[] = []
    if (this.#poolEntries.length === 0) return places
    while (this.length % cacheLine > 0) this.byte(0xcc)
    const order = this.#poolEntries.map((_, entry) => entry)
    order.sort((a, b) => this.#poolEntries[b]!.length - this.#poolEntries[a]!.length)
    for (const entry of order) {
      places[entry] = this.length
      for (const value of this.#poolEntries[entry]!) this.byte(value)
    }
    return places
  }

  #patch(at: number, value: number): void {
    const end = this.length
    this.length = at
    this.int32(value)
    this.length = end
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + needed))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}
