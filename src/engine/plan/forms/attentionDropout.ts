/** Dropout of attention's probabilities inside its kernels: masks drawn where they are needed, never stored. */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { emitKept } from '../../ops/random.ts'
import type { BufferUse, FormContext } from '../launchSpec.ts'
import { floatBytes, type AttentionShape } from './attentionShape.ts'
import type { FusedKernel } from './fused.ts'

/** Says for the key at each lane of a vector that starts at key j whether its probability is kept. */
export type KeptKeys = (j: Value) => Value

export interface DropoutMask {
  /** What kept probabilities are multiplied by. */
  readonly factor: number
  /** The mask of one query's row: entry ((b H + h) T + i) T + j of the stream. */
  row(batch: Value, head: Value, position: Value): KeptKeys
}

/**
 * The buffers that `dropoutMask` reads: the halves of the key, operand `firstKey` and the next, and the stream. The stream
 * lies in memory, so that one kernel serves all layers of a model: attention is far more code than the store of a number.
 * None without dropout.
 */
export function dropoutArguments(context: FormContext, firstKey: number): BufferUse[] {
  const { dropoutRate, stream } = context.node.attributes as { dropoutRate?: number; stream?: number }
  if (dropoutRate === undefined || stream === undefined) return []
  const storage = context.temporary(floatBytes)
  context.launch({
    key: `stream ${stream}`,
    build: () => streamKernel(stream, context.target),
    buffers: [{ storage, offset: 0, access: 'write' }],
    label: 'dropout stream',
    flops: 0,
    bytes: floatBytes,
  })
  return [context.read(firstKey), context.read(firstKey + 1), { storage, offset: 0, access: 'read' }]
}

function streamKernel(stream: number, target: KernelTarget): FusedKernel {
  const b = new KernelBuilder(`stream ${stream}`, target)
  b.store(b.constantInt(stream), b.at(b.pointer()), 1)
  return { kernel: b.finish(), units: 1 }
}

/** Takes the kernel's next three arguments, those of `dropoutArguments`; nothing without dropout. */
export function dropoutMask(b: KernelBuilder, { heads, time, dropoutRate }: AttentionShape): DropoutMask | undefined {
  if (dropoutRate === undefined) return undefined
  const [key0, key1, stream] = [0, 1, 2].map(() => b.broadcast(b.at(b.pointer()), 'i32'))
  return {
    factor: 1 / (1 - dropoutRate),
    row: (batch, head, position) => {
      const query = b.intAdd(b.intMul(b.intAdd(b.intMul(batch, heads), head), time), position)
      const first = b.intMul(query, time)
      return (j) => {
        const entry = b.op('addInt', [b.op('splat', [b.intAdd(first, j)]), b.op('laneIndex', [])])
        return emitKept(b, [key0!, key1!], stream!, dropoutRate, entry)
      }
    },
  }
}
