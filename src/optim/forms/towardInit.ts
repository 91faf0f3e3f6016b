/**
 * Decay towards where training began: w ← w − η_t·λ·(w − w₀), with w₀ kept as a state of its own from the first step.
 * For fine-tuning (L2-SP) and for grokking; Power et al. found it "also effective, but not quite as effective as
 * weight decay towards the origin".
 */
import { mul } from '../../engine/index.ts'
import type { DecayForm } from './form.ts'

export const towardInit: DecayForm = {
  name: 'toward-init',
  equation: 'w ← w − η_t·λ·(w − w₀)',
  source: 'Power et al. 2022, arXiv 2201.02177 (openai/grok, to_init); L2-SP: Li et al. 2018, arXiv 1802.01483',
  actsOn: 'weights',
  usesPeak: false,
  states: (shape) => ({ initial: shape }),
  pull: ({ parameter, learningRate, lambda, remembered }) => ({
    rate: mul(learningRate, lambda()),
    toward: remembered('initial', parameter),
  }),
  rate: ({ learningRate, weightDecay }) => learningRate * weightDecay,
}
