/** Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of a head's elements turn with the position. */
import {
  add,
  concat,
  cos,
  exp,
  lastAxisIndex,
  maximum,
  minimum,
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

/**
 * How wavelengths are stretched for longer texts than the model was first trained on: all alike (position interpolation,
 * Chen et al. 2023, arXiv:2306.15595), or as LLaMA 3.1 does (meta-llama/llama-models models/llama3/model.py,
 * apply_scaling): those that turn fewer than `lowFactor` times in `originalContext` positions become `factor` times as
 * long, those that turn more than `highFactor` times stay, and between them the frequency is interpolated by the number of
 * turns.
 */
export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3'
      readonly factor: number
      readonly lowFactor: number
      readonly highFactor: number
      readonly originalContext: number
    }

/** What the frequency of pair i of R/2 is divided by: [R/2], 1 where nothing is stretched. */
export function ropeDivisors(width: number, theta: number, scaling: RopeScaling): readonly number[] {
  return Array.from({ length: width / 2 }, (_, pair) => {
    if (scaling.kind === 'linear') return scaling.factor
    const { factor, lowFactor, highFactor, originalContext } = scaling
    const turns = (originalContext * theta ** ((-2 * pair) / width)) / (2 * Math.PI)
    const kept = Math.min(1, Math.max(0, (turns - lowFactor) / (highFactor - lowFactor)))
    return 1 / ((1 - kept) / factor + kept)
  })
}

/** The same in a program: frequencies [1, 1, 1, R/2] stretched. */
function stretched(frequencies: Tensor, scaling: RopeScaling): Tensor {
  if (scaling.kind === 'linear') return mul(frequencies, 1 / scaling.factor)
  const { factor, lowFactor, highFactor, originalContext } = scaling
  const turns = mul(frequencies, originalContext / (2 * Math.PI))
  const kept = minimum(maximum(mul(sub(turns, lowFactor), 1 / (highFactor - lowFactor)), 0), 1)
  return mul(frequencies, add(mul(kept, 1 - 1 / factor), 1 / factor))
}

/** Pair i of R/2 turns by position · theta^(−2i/R), stretched where asked. `width` is R, which must be even. */
export function rotation(
  pass: Pass,
  time: number,
  width: number,
  theta: number,
  scaling: RopeScaling | undefined = undefined,
): Rotation {
  return scope('rotary', () => {
    const pair = toFloat(lastAxisIndex([1, 1, 1, width / 2]))
    const plain = exp(mul(pair, (-2 * Math.log(theta)) / width)) // [1, 1, 1, R/2]
    const frequencies = scaling === undefined ? plain : stretched(plain, scaling)
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
