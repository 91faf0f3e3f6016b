/** Dropout of attention's probabilities inside its kernels: masks drawn where they are needed, never stored. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { emitKept } from '../../ops/random.ts'
import type { AttentionShape } from './attentionTiles.ts'

/** Says for the key at each lane of a vector that starts at key j whether its probability is kept. */
export type KeptKeys = (j: Value) => Value

export class DropoutMask {
  /** What kept probabilities are multiplied by. */
  readonly factor: number
  readonly #b: KernelBuilder
  readonly #shape: AttentionShape
  readonly #draw: { readonly rate: number; readonly stream: number }
  readonly #key: readonly [Value, Value]

  /** Takes the kernel's next two arguments, the halves of the key. */
  constructor(b: KernelBuilder, shape: AttentionShape, draw: { readonly rate: number; readonly stream: number }) {
    this.factor = 1 / (1 - draw.rate)
    this.#b = b
    this.#shape = shape
    this.#draw = draw
    const [key0, key1] = [b.pointer(), b.pointer()]
    this.#key = [b.broadcast(b.at(key0), 'i32'), b.broadcast(b.at(key1), 'i32')]
  }

  /** The mask of one query's row: entry ((b H + h) T + i) T + j of the stream. */
  row(batch: Value, head: Value, position: Value): KeptKeys {
    const b = this.#b
    const { heads, time } = this.#shape
    const query = b.intAdd(b.intMul(b.intAdd(b.intMul(batch, heads), head), time), position)
    const first = b.intMul(query, time)
    return (j) => {
      const entry = b.op('addInt', [b.op('splat', [b.intAdd(first, j)]), b.op('laneIndex', [])])
      return emitKept(b, this.#key, entry, this.#draw)
    }
  }
}
