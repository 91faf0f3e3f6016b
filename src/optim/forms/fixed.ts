/** The same share in every step whatever the learning rate and its schedule: w ← w − λ·w. */
import { noStates, type DecayForm } from './form.ts'

export const fixed: DecayForm = {
  name: 'fixed',
  equation: 'w ← w − λ·w',
  source: 't5x and optax adafactor (weight_decay_rate); pytorch_optimizer fixed_decay; Hanson & Pratt 1988',
  actsOn: 'weights',
  usesPeak: false,
  states: noStates,
  pull: ({ lambda }) => ({ rate: lambda() }),
  rate: ({ weightDecay }) => weightDecay,
}
