/** Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of a head's elements turn with the position. */
import {
  concat,
  cos,
  exp,
  lastAxisIndex,
  mixPairs,
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

/** Factors of the R rotated elements of a head at T positions, as `mixPairs` takes them. */
export interface Rotation {
  /** [T, 1, 1, R/2] */
  readonly cosines: Tensor
  /** [T, 1, 2, R/2]; those of the first halves are negative. */
  readonly sines: Tensor
  /** R */
  readonly width: number
}

/** Pair i of R/2 turns by position · theta^(−2i/R). `width` is R, which must be even. */
export function rotation(pass: Pass, time: number, width: number, theta: number): Rotation {
  return scope('rotary', () => {
    const pair = toFloat(lastAxisIndex([1, 1, 1, width / 2]))
    const frequencies = exp(mul(pair, (-2 * Math.log(theta)) / width)) // [1, 1, 1, R/2]
    const angles = mul(reshape(pass.positions(time), [time, 1, 1, 1]), frequencies) // [T, 1, 1, R/2]
    const signs = reshape(sub(mul(toFloat(lastAxisIndex([2])), 2), 1), [2, 1]) // -1, 1
    return { cosines: cos(angles), sines: sin(mul(angles, signs)), width }
  })
}

/**
 * Turns the first R elements of each head, x [B, T, H, D] -> [B, T, H, D]; the rest stays. Element i of R/2 is paired with
 * i + R/2, as in GPT-NeoX and Hugging Face's LLaMA. Meta's LLaMA and llama2.c pair 2i with 2i + 1: the same function once
 * the columns of q_proj and k_proj are reordered within each head, evens first, as Hugging Face's converter does.
 */
export function rotate(x: Tensor, { cosines, sines, width }: Rotation): Tensor {
  const headDim = x.shape[3]!
  const pairs = reshape(slice(x, 3, 0, width), [...x.shape.slice(0, 3), 2, width / 2])
  const turned = reshape(mixPairs(pairs, cosines, sines), x.shape.with(3, width))
  return width === headDim ? turned : concat([turned, slice(x, 3, width, headDim)], 3)
}
