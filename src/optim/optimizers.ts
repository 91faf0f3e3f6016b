/**
 * Every optimizer by name, for recipes and commands: what it is, where it comes from, how to make it, and what the
 * forecast of its decay must know beyond the form.
 */
import { adafactor, adafactorRules, type AdafactorOptions } from './adafactor.ts'
import { adagrad, adagradRules, type AdagradOptions } from './adagrad.ts'
import { adam, adamRules, type AdamOptions } from './adam.ts'
import { adamw, adamwRules, type AdamwOptions } from './adamw.ts'
import { amsgrad, amsgradRules, type AmsgradOptions } from './amsgrad.ts'
import { gpt1Adam, gpt1AdamRules, gpt1RateCorrection, type Gpt1AdamOptions } from './gpt1Adam.ts'
import type { DecayForm } from './decayForms.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import { lion, lionRules, type LionOptions } from './lion.ts'
import { muon, muonLearningRateFactor, muonRules, type MuonOptions } from './muon.ts'
import { nearest } from './nearest.ts'
import type { Optimizer } from './optimizer.ts'
import type { OptionRules } from './optionRules.ts'
import { adamRotation, lionRotation, sgdRotation } from './rotation.ts'
import { rmsprop, rmspropRules, type RmspropOptions } from './rmsprop.ts'
import { scheduleFree, scheduleFreeRules, type ScheduleFreeOptions } from './scheduleFree.ts'
import { sgd, sgdRules, type SgdOptions } from './sgd.ts'

/** Each optimizer's options by its name. */
export interface OptimizerOptions {
  adamw: AdamwOptions
  adam: AdamOptions
  amsgrad: AmsgradOptions
  sgd: SgdOptions
  lion: LionOptions
  muon: MuonOptions
  adafactor: AdafactorOptions
  'schedule-free': ScheduleFreeOptions
  'gpt-1-adam': Gpt1AdamOptions
  rmsprop: RmspropOptions
  adagrad: AdagradOptions
}

export type OptimizerName = keyof OptimizerOptions

export interface OptimizerEntry<O> {
  /** One line for lists and help. */
  readonly description: string
  /** Paper or code that its values are held against. */
  readonly source: string
  /** Every option with its default and limits. */
  readonly rules: OptionRules<O>
  readonly create: (groups: readonly GroupParameter[] | readonly ParameterGroup[], options?: O) => Optimizer
  readonly foretells: Foretelling<O>
}

/** What an optimizer does to the decay that its form describes. */
export interface Foretelling<O> {
  /**
   * β1 where the update is Adam's, so that weights settle where its noise and the decay balance; without it no
   * equilibrium is foretold.
   */
  beta1?(options: Required<O>): number
  /**
   * Radians that weights turn per step where noise and decay balance. `rate` is the share that decay takes of the
   * weights, or lr·λ where it acts on the gradient or the loss. Null where nobody has worked it out.
   */
  rotation?(rate: number, actsOn: DecayForm['actsOn'], options: Required<O>): number | null
  /** A factor of the optimizer's own on a parameter's learning rate, and so on its decay. */
  learningRateFactor?(parameter: FactorParameter, options: Required<O>): number
  /** What the learning rate is multiplied with in a step, counted from 0, before step and decay take it. */
  rateCorrection?(options: Required<O>): (step: number) => number
  /** Why nothing is foretold, after "…, so": for optimizers whose weights are not what the decay acts on. */
  readonly nothing?: string
}

/** What the factor may follow from. */
export type FactorParameter = Pick<GroupParameter, 'name' | 'role'> & { readonly shape: readonly number[] }

/** Of updates that average gradients with weight β1. */
function averaged(beta1: number, rate: number, actsOn: DecayForm['actsOn']): number | null {
  return actsOn === 'weights' ? adamRotation(rate, beta1) : null
}

export const optimizers: { readonly [N in OptimizerName]: OptimizerEntry<OptimizerOptions[N]> } = {
  adamw: {
    description: 'Adam with decay outside the moments; what most language models are trained with.',
    source: 'torch.optim.AdamW; Loshchilov & Hutter 2019, arXiv 1711.05101',
    rules: adamwRules,
    create: adamw,
    foretells: {
      beta1: ({ betas }) => betas[0],
      rotation: (rate, actsOn, { betas }) => averaged(betas[0], rate, actsOn),
    },
  },
  adam: {
    description: 'Adam; its weight decay is L2 in the gradient unless another form is asked for.',
    source: 'torch.optim.Adam; Kingma & Ba 2015, arXiv 1412.6980',
    rules: adamRules,
    create: adam,
    foretells: {
      beta1: ({ betas }) => betas[0],
      rotation: (rate, actsOn, { betas }) => averaged(betas[0], rate, actsOn),
    },
  },
  amsgrad: {
    description: 'Adam whose second moment never falls.',
    source: 'torch.optim.Adam(amsgrad=True); Reddi et al. 2018, arXiv 1904.09237',
    rules: amsgradRules,
    create: amsgrad,
    foretells: {
      beta1: ({ betas }) => betas[0],
      rotation: (rate, actsOn, { betas }) => averaged(betas[0], rate, actsOn),
    },
  },
  sgd: {
    description: 'Gradient descent, with momentum or Nesterov’s where asked for.',
    source: 'torch.optim.SGD; Sutskever et al. 2013',
    rules: sgdRules,
    create: sgd,
    foretells: {
      rotation: (rate, actsOn, { momentum, dampening, nesterov }) => {
        if (nesterov) return null
        return actsOn === 'weights' ? adamRotation(rate, momentum) : sgdRotation(rate * (1 - dampening), momentum)
      },
    },
  },
  lion: {
    description: 'The sign of a blended momentum; one state, every element moves by the learning rate.',
    source: 'Chen et al. 2023, arXiv 2302.06675; lucidrains/lion-pytorch',
    rules: lionRules,
    create: lion,
    foretells: {
      rotation: (rate, actsOn, { betas }) => (actsOn === 'weights' ? lionRotation(rate, ...betas) : null),
    },
  },
  muon: {
    description: 'Orthogonalised momentum for matrices, AdamW for the rest.',
    source: 'torch.optim.Muon; Jordan et al. 2024; Moonlight, arXiv 2502.16982',
    rules: muonRules,
    create: muon,
    foretells: { learningRateFactor: muonLearningRateFactor },
  },
  adafactor: {
    description: 'Second moments as row and column means, steps in proportion to the weights; trained T5 and PaLM.',
    source: 'google-research/t5x adafactor.py; Shazeer & Stern 2018, arXiv 1804.04235',
    rules: adafactorRules,
    create: adafactor,
    foretells: {},
  },
  'schedule-free': {
    description: 'AdamW that averages its weights instead of lowering the learning rate.',
    source: 'facebookresearch/schedule_free; Defazio et al. 2024, arXiv 2405.15682',
    rules: scheduleFreeRules,
    create: scheduleFree,
    foretells: { nothing: 'the weights that are kept are an average of those that decay' },
  },
  'gpt-1-adam': {
    description: 'GPT-1’s Adam: decoupled decay by the bias-corrected learning rate.',
    source: 'openai/finetune-transformer-lm opt.py, 2018',
    rules: gpt1AdamRules,
    create: gpt1Adam,
    foretells: {
      beta1: ({ betas }) => betas[0],
      rotation: (rate, actsOn, { betas }) => averaged(betas[0], rate, actsOn),
      rateCorrection: gpt1RateCorrection,
    },
  },
  rmsprop: {
    description: 'Gradients over the root of their average square.',
    source: 'torch.optim.RMSprop; Hinton, lecture 6e',
    rules: rmspropRules,
    create: rmsprop,
    foretells: {},
  },
  adagrad: {
    description: 'Gradients over the root of the sum of their squares.',
    source: 'torch.optim.Adagrad; Duchi et al. 2011',
    rules: adagradRules,
    create: adagrad,
    foretells: {},
  },
}

export const optimizerNames = Object.keys(optimizers) as readonly OptimizerName[]

/** The name as an optimizer's; throws TypeError with the nearest known one. */
export function findOptimizer(name: string): OptimizerName {
  const known = optimizerNames.find((candidate) => candidate === name)
  if (known !== undefined) return known
  const near = nearest(name, optimizerNames)
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  throw new TypeError(`Unknown optimizer "${name}". ${guess}The optimizers are: ${optimizerNames.join(', ')}.`)
}

/**
 * The optimizer of that name over the groups. Throws as `findOptimizer` and the optimizer itself do; an option that it
 * does not have is an error.
 */
export function createOptimizer<N extends OptimizerName>(
  name: N,
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options?: OptimizerOptions[N],
): Optimizer {
  const entry: OptimizerEntry<OptimizerOptions[N]> = optimizers[findOptimizer(name) as N]
  return entry.create(groups, options)
}
