/**
 * Decay that follows the schedule but not the learning rate's size: w ← w − (η_t/η_max)·λ·w. This is the paper's own
 * form. A λ here is η_max times PyTorch's: 0.1 at a learning rate of 3e-4 is 3e-5.
 */
import { div, mul } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const independent: DecayForm = {
  name: 'independent',
  equation: 'w ← w − (η_t/η_max)·λ·w',
  source: 'Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2; MosaicML Composer DecoupledAdamW; nanodo',
  actsOn: 'weights',
  usesPeak: true,
  states: noStates,
  pull: ({ learningRate, peakLearningRate, lambda }) => ({
    rate: mul(div(learningRate, peakLearningRate()), lambda()),
  }),
  rate: ({ learningRate, peakLearningRate, weightDecay }) => (learningRate / peakLearningRate) * weightDecay,
}
