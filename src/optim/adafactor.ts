/**
 * Adafactor (Shazeer & Stern 2018, arXiv 1804.04235) as google-research/t5x has it (adafactor.py), which trained T5
 * and, unfactored and with β1 = 0.9, PaLM:
 *
 *     β2 = 1 − t^−0.8
 *     v ← β2·v + (1 − β2)·(g² + ε1)               y = g / √v
 *     factored: v_row and v_col hold v's means over columns and rows, and v ≈ v_row·v_col / mean(v_row)
 *     y ← y / max(1, RMS(y)/d)                    clipping
 *     Δ = lr·max(ε2, RMS(w))·y                    parameter scaling
 *     Δ ← m ← β1·m + (1 − β1)·Δ                   with momentum
 *     w ← w − (decay) − Δ
 *
 * Its own decay is not multiplied by lr: form `fixed` with λ = weight_decay_rate, or `lr-squared` with λ = 1 for PaLM.
 */
import { add, div, maximum, mean, mul, reshape, rsqrt, sqrt, square, sub, type Tensor } from '../engine/index.ts'
import { decayingOptimizer, type StepPoint } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import {
  decayRules,
  flag,
  fraction,
  nonNegative,
  positive,
  readOptions,
  whole,
  type DecayOptions,
  type OptionRules,
} from './optionRules.ts'

/** Defaults: learningRate 1e-2 (PaLM's), weightDecay 0, form `fixed`. */
export interface AdafactorOptions extends DecayOptions {
  /** Whether v is kept as row and column means; default true. PaLM: false. */
  readonly factored?: boolean
  /** The two largest sizes of a tensor must both reach this for it to be factored; default 128. */
  readonly minimumSizeToFactor?: number
  /** β1, from 0 to less than 1; default 0, which keeps no momentum. PaLM: 0.9. */
  readonly beta1?: number
  /** Exponent c of β2 = 1 − t^−c, above 0; default 0.8. */
  readonly decayExponent?: number
  /** d: largest RMS of y, above 0; default 1. */
  readonly clippingThreshold?: number
  /** Whether the step is multiplied by the RMS of the weights; default true. */
  readonly scaleByParameter?: boolean
  /** ε1, added to g²; default 1e-30. */
  readonly eps1?: number
  /** ε2: least RMS that the step is scaled with; default 1e-3. */
  readonly eps2?: number
}

/** Defaults and limits of the options. */
export const adafactorRules: OptionRules<AdafactorOptions> = {
  ...decayRules({ learningRate: 1e-2, weightDecay: 0, form: 'fixed' }),
  factored: flag(true),
  minimumSizeToFactor: whole(128, 1, 2 ** 31),
  beta1: fraction(0),
  decayExponent: positive(0.8),
  clippingThreshold: positive(1),
  scaleByParameter: flag(true),
  eps1: nonNegative(1e-30),
  eps2: nonNegative(1e-3),
}

/** Adafactor over parameter groups. Throws as `adamw` does. */
export function adafactor(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AdafactorOptions = {},
): Optimizer {
  const settled = readOptions('adafactor', options, adafactorRules)
  const { factored, minimumSizeToFactor, beta1, decayExponent, clippingThreshold, scaleByParameter, eps1, eps2 } =
    settled
  const axes = (shape: readonly number[]) => (factored ? factoredAxes(shape, minimumSizeToFactor) : undefined)
  return decayingOptimizer('adafactor', groups, settled, {
    states: ({ name, shape }) => {
      const split = axes(shape)
      const moments = split
        ? [
            { name: `${name}.v_row`, shape: shape.toSpliced(split.columns, 1) },
            { name: `${name}.v_col`, shape: shape.toSpliced(split.rows, 1) },
          ]
        : [{ name: `${name}.v`, shape }]
      return beta1 === 0 ? moments : [...moments, { name: `${name}.m`, shape }]
    },
    scalars: (step) => ({ secondMomentShare: step ** -decayExponent }), // 1 − β2
    step: (point) => {
      const { name, parameter, gradient, learningRate, state } = point
      const split = axes(parameter.shape)
      const squares = add(square(gradient), eps1)
      const { inverseRoot, states } = split ? factoredRoot(point, squares, split) : wholeRoot(point, squares)
      const y = mul(gradient, inverseRoot)
      const clip = maximum(1, mul(sqrt(mean(square(y))), 1 / clippingThreshold))
      const size = scaleByParameter ? maximum(sqrt(mean(square(parameter))), eps2) : 1
      const scale = div(mul(learningRate, size), clip)
      if (beta1 === 0) return { direction: y, scale, states }
      const m = add(mul(state(`${name}.m`), beta1), mul(mul(y, scale), 1 - beta1))
      return { direction: m, scale: 1, states: { ...states, [`${name}.m`]: m } }
    },
  })
}

interface FactoredAxes {
  readonly rows: number
  readonly columns: number
}

/** The two largest axes, the larger one as columns, where both are large enough. */
function factoredAxes(shape: readonly number[], least: number): FactoredAxes | undefined {
  const order = shape.map((_, axis) => axis).toSorted((a, b) => shape[a]! - shape[b]!)
  const [rows, columns] = order.slice(-2)
  if (rows === undefined || columns === undefined || shape[rows]! < least) return undefined
  return { rows, columns }
}

interface InverseRoot {
  /** 1 / √v, broadcast against the gradient. */
  readonly inverseRoot: Tensor
  readonly states: Readonly<Record<string, Tensor>>
}

function wholeRoot({ name, state, scalar }: StepPoint, squares: Tensor): InverseRoot {
  const v = average(state(`${name}.v`), squares, scalar('secondMomentShare'))
  return { inverseRoot: rsqrt(v), states: { [`${name}.v`]: v } }
}

function factoredRoot({ name, state, scalar }: StepPoint, squares: Tensor, split: FactoredAxes): InverseRoot {
  const { rows, columns } = split
  const share = scalar('secondMomentShare')
  const { shape } = squares
  const row = average(state(`${name}.v_row`, shape.toSpliced(columns, 1)), mean(squares, columns), share)
  const column = average(state(`${name}.v_col`, shape.toSpliced(rows, 1)), mean(squares, rows), share)
  // v_row has lost its columns, so that the axis of its rows may have moved up
  const rowMean = mean(row, columns < rows ? rows - 1 : rows, { keepDims: true })
  const rowFactor = reshape(rsqrt(div(row, rowMean)), shape.with(columns, 1))
  const columnFactor = reshape(rsqrt(column), shape.with(rows, 1))
  return { inverseRoot: mul(rowFactor, columnFactor), states: { [`${name}.v_row`]: row, [`${name}.v_col`]: column } }
}

/** (1 − share)·old + share·new */
function average(old: Tensor, fresh: Tensor, share: Tensor): Tensor {
  return add(mul(old, sub(1, share)), mul(fresh, share))
}
