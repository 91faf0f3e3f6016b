/**
 * Attention of a single query over a cache of keys: every key and value is used once for each head of its group, so the
 * memory's rate is all there is to reach. Whole rows of the cache, with all heads, are read as they lie: a unit is a part of
 * the keys, and leaves its largest score, the sum of its exponentials and the values that these weigh; a second launch puts
 * the parts together (the softmax of online normalisation, M. Milakov and N. Gimelshein, 2018, arXiv:1805.02867).
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import { expNotPositive, tanh } from '../../kernel/math.ts'
import type { Value } from '../../kernel/kernel.ts'
import type { BufferUse, BuiltKernel, FormContext } from '../launchSpec.ts'
import { floatBytes, type AttentionShape } from './attentionShape.ts'
import { eachLine } from './streams.ts'

/** Parts of the keys: enough for many threads, a multiple of every vector. */
const parts = 16
/** So few keys that a part of fewer gains nothing. */
const fewestKeys = 4

export type CachedShape = AttentionShape & { readonly cached: number }

export function lowerOneQuery(context: FormContext, shape: CachedShape, label: string): void {
  const { target, node } = context
  const rows = shape.batch * shape.heads
  const sizes = [rows * parts, rows * parts, rows * parts * shape.headDim].map((size) => size * floatBytes)
  const storages = sizes.map((bytes) => context.temporary(bytes))
  const parted = (access: BufferUse['access']): BufferUse[] => {
    return storages.map((storage) => ({ storage, offset: 0, access }))
  }
  const key = JSON.stringify(shape)
  const partBytes = sizes.reduce((sum, bytes) => sum + bytes)
  context.launch({
    key: `attention of one query ${key}`,
    build: () => new OneQuery(shape, target).kernel(),
    buffers: [context.read(0), context.read(1), context.read(2), context.read(3), ...parted('write')],
    label,
    flops: node.op.flops(node.inputs, node, node.attributes),
    bytes: 2 * shape.batch * shape.cached * shape.keyHeads * shape.headDim * floatBytes + partBytes,
  })
  context.launch({
    key: `parts of one query ${key}`,
    build: () => joinKernel(shape, target),
    buffers: [...parted('read'), context.write()],
    label: `${label}, its ${parts} parts`,
    flops: 2 * rows * parts * shape.headDim,
    bytes: partBytes + rows * shape.headDim * floatBytes,
  })
}

/** Keys [first, end) of a unit. */
interface Keys {
  readonly first: Value
  readonly end: Value
  readonly count: Value
}

class OneQuery {
  readonly #b: KernelBuilder
  readonly #shape: CachedShape
  /** Floats from one head to the next: of the query, and of scores, with a vector to spare. */
  readonly #queryStride: number
  readonly #scoreStride: number
  readonly #query: Value
  readonly #scores: Value

  constructor(shape: CachedShape, target: KernelTarget) {
    const b = new KernelBuilder('attention of one query', target)
    this.#b = b
    this.#shape = shape
    const { lanes } = b
    this.#queryStride = Math.ceil(shape.headDim / lanes) * lanes
    const most = Math.max(Math.ceil(shape.cached / parts), fewestKeys)
    this.#scoreStride = Math.ceil(most / lanes) * lanes + lanes
    this.#query = b.intAdd(b.scratch, b.reserveScratch(shape.heads * this.#queryStride * floatBytes))
    this.#scores = b.intAdd(b.scratch, b.reserveScratch(shape.heads * this.#scoreStride * floatBytes))
  }

  /** Arguments: q, k, v, how many keys come before the query's, then the parts' largest scores, sums and values. */
  kernel(): BuiltKernel {
    const b = this.#b
    const { batch, heads, headDim, q, k, v } = this.#shape
    const [qs, ks, vs, start, tops, totals, values] = Array.from({ length: 7 }, () => b.pointer()) as [
      Value,
      Value,
      Value,
      Value,
      Value,
      Value,
      Value,
    ]
    const seen = b.intAdd(b.loadInt(b.at(start)), 1)
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const entry = b.op('intDivImmediate', [unit], parts)
      const part = b.op('intModImmediate', [unit], parts)
      const of = (pointer: Value, stride: number): Value => b.intAdd(pointer, b.intMul(entry, stride * floatBytes))
      const keys = this.#keysOf(part, seen)
      this.#copyQuery(of(qs, q.batch))
      eachLine(b, keys.first, keys.end, (lines) => this.#score(of(ks, k.batch), lines, keys))
      // [batch, heads, parts] and, of values, [.., D]
      const place = b.intAdd(b.intMul(entry, heads * parts), part)
      const slot = (pointer: Value, head: Value, size: number): Value =>
        b.intAdd(pointer, b.intMul(b.intAdd(place, b.intMul(head, parts)), size * floatBytes))
      b.for(0, heads, 1, (head) => {
        const [top, total] = this.#exponentials(head, keys.count)
        b.store(top, b.at(slot(tops, head, 1)), 1)
        b.store(total, b.at(slot(totals, head, 1)), 1)
        this.#columns(({ offset, lanes }) => {
          b.store(b.constant(0), b.at(slot(values, head, headDim), offset * floatBytes), lanes)
        })
      })
      eachLine(b, keys.first, keys.end, (lines) => {
        this.#mix(of(vs, v.batch), lines, keys, (head) => slot(values, head, headDim))
      })
    })
    return { kernel: b.finish(), units: batch * parts }
  }

  #keysOf(part: Value, seen: Value): Keys {
    const b = this.#b
    const { window } = this.#shape
    const lowest = window === undefined ? b.int(0) : b.intMax(b.intAdd(seen, -window), 0)
    const all = b.op('intSub', [seen, lowest])
    const each = b.intMax(b.op('intDivImmediate', [b.intAdd(all, parts - 1)], parts), fewestKeys)
    const first = b.intMin(b.intAdd(lowest, b.op('intMul', [part, each])), seen)
    const end = b.intMin(b.intAdd(first, each), seen)
    return { first, end, count: b.op('intSub', [end, first]) }
  }

  /** The query times the scale, each head from a whole vector on. */
  #copyQuery(from: Value): void {
    const b = this.#b
    const { heads, q, scale } = this.#shape
    b.for(0, heads, 1, (head) => {
      const source = b.intAdd(from, b.intMul(head, q.head * floatBytes))
      const target = b.intAdd(this.#query, b.intMul(head, this.#queryStride * floatBytes))
      this.#columns(({ offset, lanes }) => {
        const value = b.mul(b.load(b.at(source, offset * floatBytes), lanes), b.constant(scale))
        b.store(value, b.at(target, offset * floatBytes))
      })
    })
  }

  /** The scores of some keys, for all heads. */
  #score(from: Value, lines: readonly Value[], { first }: Keys): void {
    const b = this.#b
    this.#eachHead(from, this.#shape.k, lines, (head, rows) => {
      const query = b.intAdd(this.#query, b.intMul(head, this.#queryStride * floatBytes))
      const sums = rows.map(() => b.variable(b.constant(0)))
      this.#columns(({ offset, lanes }) => {
        const factor = b.load(b.at(query, offset * floatBytes))
        rows.forEach((row, i) => {
          b.assign(sums[i]!, b.multiplyAdd(factor, b.load(b.at(row, offset * floatBytes), lanes), sums[i]!))
        })
      })
      lines.forEach((line, i) => b.store(b.op('reduceAdd', [sums[i]!]), this.#scoreAt(head, line, first), 1))
    })
  }

  /** Replaces a head's scores by exp(score - the largest); returns that and the sum. Minus infinity and 0 for no key. */
  #exponentials(head: Value, count: Value): [Value, Value] {
    const b = this.#b
    const { softCap } = this.#shape
    const row = b.intAdd(this.#scores, b.intMul(head, this.#scoreStride * floatBytes))
    const at = (j: Value) => b.at(row, 0, j, floatBytes)
    if (softCap !== undefined) {
      b.for(0, count, b.lanes, (j) => {
        b.store(b.mul(tanh(b, b.mul(b.load(at(j)), b.constant(1 / softCap))), b.constant(softCap)), at(j))
      })
    }
    const [top, sum] = [b.variable(b.constant(-Infinity)), b.variable(b.constant(0))]
    // behind the last key: as if they were not there
    b.store(b.constant(-Infinity), at(count))
    b.for(0, count, b.lanes, (j) => b.assign(top, b.max(top, b.load(at(j)))))
    const largest = b.op('reduceMax', [top])
    b.for(0, count, b.lanes, (j) => {
      const e = expNotPositive(b, b.sub(b.load(at(j)), largest))
      b.store(e, at(j))
      b.assign(sum, b.add(sum, e))
    })
    return [largest, b.op('reduceAdd', [sum])]
  }

  /** Adds the values of some keys, weighed, to every head's. */
  #mix(from: Value, lines: readonly Value[], { first }: Keys, sumOf: (head: Value) => Value): void {
    const b = this.#b
    this.#eachHead(from, this.#shape.v, lines, (head, rows) => {
      const weights = lines.map((line) => b.broadcast(this.#scoreAt(head, line, first)))
      const to = sumOf(head)
      this.#columns(({ offset, lanes }) => {
        const sum = rows.reduce(
          (before, row, i) => {
            return b.multiplyAdd(weights[i]!, b.load(b.at(row, offset * floatBytes), lanes), before)
          },
          b.load(b.at(to, offset * floatBytes), lanes),
        )
        b.store(sum, b.at(to, offset * floatBytes), lanes)
      })
    })
  }

  /** Runs `body` for each head with its part of the rows [S, KV, D] at these lines. */
  #eachHead(
    from: Value,
    strides: AttentionShape['k'],
    lines: readonly Value[],
    body: (head: Value, rows: readonly Value[]) => void,
  ): void {
    const b = this.#b
    const { heads, keyHeads } = this.#shape
    const group = heads / keyHeads
    const starts = lines.map((line) => b.intAdd(from, b.intMul(line, strides.time * floatBytes)))
    b.for(0, keyHeads, 1, (keyHead) => {
      const rows = starts.map((start) => b.intAdd(start, b.intMul(keyHead, strides.head * floatBytes)))
      if (group === 1) return body(keyHead, rows)
      b.for(0, group, 1, (member) => body(b.intAdd(b.intMul(keyHead, group), member), rows))
    })
  }

  #scoreAt(head: Value, key: Value, first: Value) {
    const b = this.#b
    const row = b.intAdd(this.#scores, b.intMul(head, this.#scoreStride * floatBytes))
    return b.at(row, 0, b.op('intSub', [key, first]), floatBytes)
  }

  #columns(body: (place: { readonly offset: number; readonly lanes: number }) => void): void {
    eachVector(this.#b, this.#shape.headDim, body)
  }
}

/** The vectors of a row of D, one after another, without a loop. */
function eachVector(
  b: KernelBuilder,
  size: number,
  body: (place: { readonly offset: number; readonly lanes: number }) => void,
): void {
  for (let offset = 0; offset < size; offset += b.lanes) body({ offset, lanes: Math.min(b.lanes, size - offset) })
}

/** Arguments: the parts' largest scores, sums and values, the result. Unit: a head of a batch entry. */
function joinKernel({ batch, heads, headDim, out }: CachedShape, target: KernelTarget): BuiltKernel {
  const b = new KernelBuilder('parts of one query', target)
  const [tops, totals, values, outs] = [b.pointer(), b.pointer(), b.pointer(), b.pointer()]
  const weights = b.intAdd(b.scratch, b.reserveScratch(parts * floatBytes))
  const offsets = Array.from({ length: parts / b.lanes }, (_, k) => k * b.lanes * floatBytes)
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const first = b.intMul(unit, parts * floatBytes)
    const scores = offsets.map((offset) => b.load(b.at(b.intAdd(tops, first), offset)))
    const largest = b.op('reduceMax', [scores.reduce((a, score) => b.max(a, score))])
    const sums = offsets.map((offset, k) => {
      const weight = expNotPositive(b, b.sub(scores[k]!, largest))
      b.store(weight, b.at(weights, offset))
      return b.mul(weight, b.load(b.at(b.intAdd(totals, first), offset)))
    })
    const inverse = b.div(b.constant(1), b.op('reduceAdd', [sums.reduce((a, sum) => b.add(a, sum))]))
    const from = b.intAdd(values, b.intMul(unit, parts * headDim * floatBytes))
    const batchOut = b.intAdd(outs, b.intMul(b.op('intDivImmediate', [unit], heads), out.batch * floatBytes))
    const to = b.intAdd(batchOut, b.intMul(b.op('intModImmediate', [unit], heads), out.head * floatBytes))
    eachVector(b, headDim, ({ offset, lanes }) => {
      const at = (p: number) => b.load(b.at(from, (p * headDim + offset) * floatBytes), lanes)
      const weight = (p: number) => b.broadcast(b.at(weights, p * floatBytes))
      let sum = b.mul(weight(0), at(0))
      for (let p = 1; p < parts; p++) sum = b.multiplyAdd(weight(p), at(p), sum)
      b.store(b.mul(sum, inverse), b.at(to, offset * floatBytes), lanes)
    })
  })
  return { kernel: b.finish(), units: batch * heads }
}
