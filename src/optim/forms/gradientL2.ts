/**
 * L2 added to the gradient: g ← g + λ·w, before the moments and after clipping. It is what `torch.optim.Adam` and
 * `torch.optim.SGD` call weight_decay. Under Adam weights with large gradients decay less, by 1/√v̂.
 */
import { add, mul } from '../../engine/index.ts'
import { noStates, type DecayForm } from './form.ts'

export const gradientL2: DecayForm = {
  name: 'gradient-l2',
  equation: 'g ← g + λ·w',
  source: 'torch.optim.Adam, torch.optim.SGD; Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2 (pink)',
  actsOn: 'gradient',
  usesPeak: false,
  states: noStates,
  regularise: ({ parameter, gradient, lambda }) => add(gradient, mul(parameter, lambda())),
  rate: () => null,
}
