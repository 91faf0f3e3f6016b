/** Finds threads that touch the same word of memory with no barrier in between, one of them writing. */
import type { Segment } from '../kernel/interpret.ts'

/**
 * By word, in which turn it was last touched: 0 is none, a negative number says that several workers have read it since the
 * last barrier.
 */
interface Touches {
  readonly written: Int32Array
  readonly read: Int32Array
}

interface Turn {
  readonly worker: string
  readonly what: string
}

/**
 * Follows the accesses of threads that are run one after another. What one worker does is in order; what different workers
 * do is not, unless a barrier lies between.
 */
export class RaceDetector {
  readonly #touches: ReadonlyMap<Segment, Touches>
  readonly #turns: Turn[] = [{ worker: '', what: 'nothing' }]
  /** The first turn after the last barrier. */
  #since = 1

  /** `segments`: memory that threads share. */
  constructor(segments: readonly Segment[]) {
    this.#touches = new Map(
      segments.map((segment) => {
        const { length } = segment.words
        return [segment, { written: new Int32Array(length), read: new Int32Array(length) }]
      }),
    )
  }

  /** What follows is done by `worker`. */
  turn(worker: string, what: string): void {
    this.#turns.push({ worker, what })
  }

  /** All workers have met. */
  barrier(): void {
    this.#since = this.#turns.length
  }

  /** Throws where another worker wrote the words since the last barrier, or, where they are now written, read them. */
  readonly onAccess = (segment: Segment, first: number, count: number, writes: boolean): void => {
    const touches = this.#touches.get(segment)
    if (touches === undefined) return
    const { written, read } = touches
    const now = this.#turns.length - 1
    for (let word = first; word < first + count; word++) {
      if (this.#isAnothers(written[word]!)) this.#fail(segment, word, written[word]!, 'wrote')
      const readBefore = this.#isAnothers(read[word]!)
      if (writes) {
        if (readBefore) this.#fail(segment, word, read[word]!, 'read')
        written[word] = now
      } else {
        read[word] = readBefore ? -now : now
      }
    }
  }

  #isAnothers(turn: number): boolean {
    if (Math.abs(turn) < this.#since) return false
    return turn < 0 || this.#turns[turn]!.worker !== this.#turns.at(-1)!.worker
  }

  #fail({ name }: Segment, word: number, turn: number, did: string): never {
    throw new Error(
      `${this.#turns.at(-1)!.what} touches word ${word} of ${name}, which ${this.#turns[Math.abs(turn)]!.what} ${did}, ` +
        'with no barrier between them',
    )
  }
}
