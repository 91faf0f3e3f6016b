/**
 * Decay by the square of the learning rate: w ← w − λ·η_t²·w. PaLM's is λ = 1 (t5x: weight_decay_rate_lr_exponent 2
 * and no rate of its own), which at its 1e-2 takes 1e-4 per step and dies off as 1/t; modded-nanogpt's lr·(lr·wd) has
 * a λ above 1.
 */
import { mul, square } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const lrSquared: DecayForm = {
  name: 'lr-squared',
  equation: 'w ← w − λ·η_t²·w (PaLM: λ = 1)',
  source: 'Chowdhery et al. 2022, arXiv 2204.02311, §5; google-research/t5x adafactor.py',
  actsOn: 'weights',
  usesPeak: false,
  states: noStates,
  pull: ({ learningRate, lambda }) => ({ rate: mul(square(learningRate), lambda()) }),
  rate: ({ learningRate, weightDecay }) => learningRate ** 2 * weightDecay,
}
