/** Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of a head's elements turn with the position. */
import {
  add,
  concat,
  cos,
  exp,
  lastAxisIndex,
  mul,
  reshape,
  scope,
  sin,
  slice,
  sub,
  toFloat,
  type Tensor,
} from '../engine/index.ts'
import type { Pass } from './pass.ts'

/** Cosines and sines of the angles of T positions, both [T, 1, R/2] for the R rotated elements of a head. */
export interface Rotation {
  readonly cosines: Tensor
  readonly sines: Tensor
  /** R */
  readonly width: number
}

/** Pair i of R/2 turns by position · theta^(−2i/R). `width` is R, which must be even. */
export function rotation(pass: Pass, time: number, width: number, theta: number): Rotation {
  return scope('rotary', () => {
    const pair = toFloat(lastAxisIndex([1, 1, width / 2]))
    const frequencies = exp(mul(pair, (-2 * Math.log(theta)) / width)) // [1, 1, R/2]
    const angles = mul(reshape(pass.positions(time), [time, 1, 1]), frequencies) // [T, 1, R/2]
    return { cosines: cos(angles), sines: sin(angles), width }
  })
}

/**
 * Turns the first R elements of each head, x [B, T, H, D] -> [B, T, H, D]; the rest stays. Element i of R/2 is paired with
 * i + R/2, as in GPT-NeoX and Hugging Face's LLaMA.
 */
export function rotate(x: Tensor, { cosines, sines, width }: Rotation): Tensor {
  const [first, second] = [slice(x, 3, 0, width / 2), slice(x, 3, width / 2, width)]
  const turned = [sub(mul(first, cosines), mul(second, sines)), add(mul(second, cosines), mul(first, sines))]
  const headWidth = x.shape[3]!
  return concat(width === headWidth ? turned : [...turned, slice(x, 3, width, headWidth)], 3)
}
