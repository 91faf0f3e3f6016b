/** Decoupled decay as PyTorch, optax, Keras and Megatron have it: w ← w − η_t·λ·w, multiplied by the learning rate. */
import { mul } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const decoupled: DecayForm = {
  name: 'decoupled',
  equation: 'w ← w − η_t·λ·w',
  source:
    'torch.optim.AdamW; Loshchilov & Hutter 2019, arXiv 1711.05101, with its schedule multiplier taken as the rate',
  actsOn: 'weights',
  usesPeak: false,
  states: noStates,
  pull: ({ learningRate, lambda }) => ({ rate: mul(learningRate, lambda()) }),
  rate: ({ learningRate, weightDecay }) => learningRate * weightDecay,
}
