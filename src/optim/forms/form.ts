/** What a form of weight decay is: how λ acts on a parameter, apart from which optimizer moves it. */
import type { Tensor } from '../../engine/index.ts'

/** A parameter in the step being traced, as a form sees it. */
export interface DecayPoint {
  /** w, before the step. */
  readonly parameter: Tensor
  /** The gradient after clipping. */
  readonly gradient: Tensor
  /** u, where the optimizer sets w ← w − (scale > 0)·u: its sign says where the step goes. */
  readonly direction: Tensor
  /** η_t: scheduled, times the group's multiplier. Scalar, as are the next two. */
  readonly learningRate: Tensor
  /** η_max: the peak, times the group's multiplier. */
  peakLearningRate(): Tensor
  /** λ_t. */
  lambda(): Tensor
  /** Whether the layer's output does not depend on the scale of this parameter. */
  normalised(): boolean
  /** A state of the parameter that is `initial` in the first step and stays so for life. */
  remembered(key: string, initial: Tensor): Tensor
}

/**
 * What the decay does in one step: w ← w − rate·(w − toward), then the optimizer's own step from the same old w.
 *
 * The product is subtracted rather than written (1 − rate)·w: in f32 the numbers just below 1 are 6e-8 apart, so that
 * 1 − 1e-6 would decay 1.4 % too fast for ever, while rounding the difference is fair on average.
 */
export interface Pull {
  /** Share of the distance that goes in this step; a scalar, or one number for each element or row. */
  readonly rate: Tensor
  /** Where to; 0 unless told. */
  readonly toward?: Tensor
}

/** The numbers of one step, to foretell the decay without running it. */
export interface DecayRates {
  readonly learningRate: number
  readonly peakLearningRate: number
  readonly weightDecay: number
  /** For `corrected`; true unless told. */
  readonly normalised?: boolean
}

export interface DecayForm {
  readonly name: string
  /** One line. */
  readonly equation: string
  /** Paper or code. */
  readonly source: string
  /** Where λ enters: in the loss that is differentiated, in the gradient before the moments, or on the weights. */
  readonly actsOn: 'loss' | 'gradient' | 'weights'
  /** Whether the peak learning rate is part of the equation. */
  readonly usesPeak: boolean
  /** States that the form keeps for a decaying parameter of this shape: key -> shape. */
  states(shape: readonly number[]): Readonly<Record<string, readonly number[]>>
  /** Forms on the gradient: what the optimizer gets in its place. */
  regularise?(point: Pick<DecayPoint, 'parameter' | 'gradient' | 'lambda'>): Tensor
  /** Forms on the weights. */
  pull?(point: DecayPoint): Pull
  /**
   * The share of a weight (of its distance to the target, where there is one) that one step takes. null where it
   * follows from gradients or weights and cannot be told beforehand.
   */
  rate(rates: DecayRates): number | null
}

/** For forms that remember nothing. */
export const noStates: DecayForm['states'] = () => ({})
