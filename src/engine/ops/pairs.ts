/** Pairs of elements that are mixed by two factors each, such as the two coordinates of a rotation. */
import { sameShape, sizeOf } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { add, mul } from './elementwise.ts'
import { flip } from './movement.ts'
import { ShapeError, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { broadcastShapes, checkDTypes } from './shape.ts'

/** Inputs: x [..., 2, P], own and other, which broadcast to it. */
export const mixPairsRow: OpRow = {
  name: 'mixPairs',
  infer: (inputs) => {
    checkDTypes('mixPairs', inputs, ['f32', 'f32', 'f32'])
    const [x, ...factors] = inputs
    const fits = factors.every(({ shape }) => sameShape(broadcastShapes('mixPairs', [x!.shape, shape]), x!.shape))
    if (x!.shape.at(-2) === 2 && fits) return x!
    throw new ShapeError(
      `mixPairs: expected x [..., 2, P] and two factors that broadcast to it, got ${inputs.map(describeType).join(', ')}`,
    )
  },
  evaluate: ([x, own, other], _, output) => {
    const pairs = x!.shape.at(-1)!
    const at = [own!, other!].map(({ shape }) => broadcastReader(shape, x!.shape))
    for (let i = 0; i < output.data.length; i++) {
      const partner = Math.floor(i / pairs) % 2 === 0 ? i + pairs : i - pairs
      output.data[i] = x!.data[i]! * own!.data[at[0]!(i)]! + x!.data[partner]! * other!.data[at[1]!(i)]!
    }
  },
  lowering: {
    kind: 'compose',
    compose: ([x, own, other]) => add(mul(x!, own!), mul(flip(x!, -2), other!)),
  },
  // what x[k] gives to its partner comes back with the partner's factor
  gradient: ({ inputs: [x, own, other], gradient }) => [
    mixPairs(gradient, own!, flip(other!, -2)),
    mul(gradient, x!),
    mul(gradient, flip(x!, -2)),
  ],
  flops: (_, output) => 3 * sizeOf(output.shape),
  samples: [
    { inputs: [{ shape: [2, 9] }, { shape: [2, 9] }, { shape: [2, 9] }] },
    { inputs: [{ shape: [3, 5, 4, 2, 17] }, { shape: [5, 1, 1, 17] }, { shape: [5, 1, 2, 17] }] },
  ],
}

/** Where a tensor of `shape` has the element that lies at a row-major index of the shape it broadcasts to. */
function broadcastReader(shape: readonly number[], to: readonly number[]): (index: number) => number {
  return (index) => {
    let [rest, at, pitch] = [index, 0, 1]
    for (let axis = 1; axis <= to.length; axis++) {
      const size = to.at(-axis)!
      const own = shape.at(-axis) ?? 1
      if (own > 1) at += (rest % size) * pitch
      pitch *= own
      rest = Math.floor(rest / size)
    }
    return at
  }
}

/**
 * Each element times `own` plus its partner times `other`: x [..., 2, P], partners lie opposite along the axis of size 2. A
 * rotation by φ has own = cos φ and other = -sin φ in the first half, sin φ in the second.
 */
export function mixPairs(x: Tensor, own: Tensor, other: Tensor): Tensor {
  return createTensor(mixPairsRow, [x, own, other])
}
