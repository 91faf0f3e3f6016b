/**
 * L2 in the loss: what is minimised is L + (λ/2)·‖w‖², so that the optimizer gets ∇L + λ·w without knowing of λ.
 * The penalty is a term of its own, reported apart from L. Under plain SGD it equals decoupled decay; under Adam it
 * does not, because λ·w passes through the moments (Loshchilov & Hutter 2019, proposition 1 and 2).
 * D'Angelo et al. (arXiv 2310.04415) train GPT-2 with it, λ from 1e-6 to 1e-3.
 */
import { mul, square, sum, type Operand, type Tensor } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const lossL2: DecayForm = {
  name: 'loss-l2',
  equation: 'L ← L + (λ/2)·‖w‖²',
  source: "Krogh & Hertz 1991; for GPT-2: D'Angelo et al. 2024, arXiv 2310.04415",
  actsOn: 'loss',
  usesPeak: false,
  states: noStates,
  rate: () => null,
}

/** (λ/2)·‖w‖², a scalar []; λ may be a number or a run-time scalar. */
export function l2Penalty(parameter: Tensor, lambda: Operand): Tensor {
  return mul(sum(square(parameter)), mul(lambda, 0.5))
}
