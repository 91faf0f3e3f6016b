/**
 * AdamC: for matrices of layers whose output is normalised the decay falls with the square of the schedule,
 *
 *     w ← w − (η_t²/η_max)·λ·w
 *
 * so that ‖g‖/‖w‖, which settles at √(2λ_effective/η_t), stays put when the learning rate falls and gradients do not
 * grow towards the end of the run. All other parameters decay as in AdamW. η_max is the peak of the schedule, given
 * as the optimizer's learning rate: never the rate of a first warm-up step.
 */
import { div, mul, square } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const corrected: DecayForm = {
  name: 'corrected',
  equation: 'w ← w − (η_t²/η_max)·λ·w where the layer is normalised, else w ← w − η_t·λ·w',
  source: 'Defazio 2025, arXiv 2506.02285 (AdamC)',
  actsOn: 'weights',
  usesPeak: true,
  states: noStates,
  pull: ({ learningRate, peakLearningRate, lambda, normalised }) => ({
    rate: mul(normalised() ? div(square(learningRate), peakLearningRate()) : learningRate, lambda()),
  }),
  rate: ({ learningRate, peakLearningRate, weightDecay, normalised = true }) => {
    return (normalised ? learningRate ** 2 / peakLearningRate : learningRate) * weightDecay
  },
}
