/** Every optimizer by name, for recipes and commands: what it is, where it comes from, and how to make it. */
import { adafactor, type AdafactorOptions } from './adafactor.ts'
import { adagrad, type AdagradOptions } from './adagrad.ts'
import { adam, type AdamOptions } from './adam.ts'
import { adamw, type AdamwOptions } from './adamw.ts'
import { amsgrad, type AmsgradOptions } from './amsgrad.ts'
import { gpt1Adam, type Gpt1AdamOptions } from './gpt1Adam.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import { lion, type LionOptions } from './lion.ts'
import { muon, type MuonOptions } from './muon.ts'
import { nearest } from './nearest.ts'
import type { Optimizer } from './optimizer.ts'
import { rmsprop, type RmspropOptions } from './rmsprop.ts'
import { scheduleFree, type ScheduleFreeOptions } from './scheduleFree.ts'
import { sgd, type SgdOptions } from './sgd.ts'

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
  readonly create: (groups: readonly GroupParameter[] | readonly ParameterGroup[], options?: O) => Optimizer
}

export const optimizers: { readonly [N in OptimizerName]: OptimizerEntry<OptimizerOptions[N]> } = {
  adamw: {
    description: 'Adam with decay outside the moments; what most language models are trained with.',
    source: 'torch.optim.AdamW; Loshchilov & Hutter 2019, arXiv 1711.05101',
    create: adamw,
  },
  adam: {
    description: 'Adam; its weight decay is L2 in the gradient unless another form is asked for.',
    source: 'torch.optim.Adam; Kingma & Ba 2015, arXiv 1412.6980',
    create: adam,
  },
  amsgrad: {
    description: 'Adam whose second moment never falls.',
    source: 'torch.optim.Adam(amsgrad=True); Reddi et al. 2018, arXiv 1904.09237',
    create: amsgrad,
  },
  sgd: {
    description: 'Gradient descent, with momentum or Nesterov’s where asked for.',
    source: 'torch.optim.SGD; Sutskever et al. 2013',
    create: sgd,
  },
  lion: {
    description: 'The sign of a blended momentum; one state, every element moves by the learning rate.',
    source: 'Chen et al. 2023, arXiv 2302.06675; lucidrains/lion-pytorch',
    create: lion,
  },
  muon: {
    description: 'Orthogonalised momentum for matrices, AdamW for the rest.',
    source: 'torch.optim.Muon; Jordan et al. 2024; Moonlight, arXiv 2502.16982',
    create: muon,
  },
  adafactor: {
    description: 'Second moments as row and column means, steps in proportion to the weights; trained T5 and PaLM.',
    source: 'google-research/t5x adafactor.py; Shazeer & Stern 2018, arXiv 1804.04235',
    create: adafactor,
  },
  'schedule-free': {
    description: 'AdamW that averages its weights instead of lowering the learning rate.',
    source: 'facebookresearch/schedule_free; Defazio et al. 2024, arXiv 2405.15682',
    create: scheduleFree,
  },
  'gpt-1-adam': {
    description: 'GPT-1’s Adam: decoupled decay by the bias-corrected learning rate.',
    source: 'openai/finetune-transformer-lm opt.py, 2018',
    create: gpt1Adam,
  },
  rmsprop: {
    description: 'Gradients over the root of their average square.',
    source: 'torch.optim.RMSprop; Hinton, lecture 6e',
    create: rmsprop,
  },
  adagrad: {
    description: 'Gradients over the root of the sum of their squares.',
    source: 'torch.optim.Adagrad; Duchi et al. 2011',
    create: adagrad,
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
