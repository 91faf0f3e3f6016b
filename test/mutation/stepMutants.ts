/** Faults in the arithmetic of one step, common to all optimizers and forms. */
import { edit, type Mutant } from './mutant.ts'

const OPTIMIZER = 'src/optim/decayingOptimizer.ts'
const SCALARS = 'src/optim/decayScalars.ts'
const FAULTS = 'src/optim/faults.test.ts'
const FORMS = 'src/optim/forms.test.ts'
const VECTORS = 'src/optim/referenceVectors.test.ts'
const OPTIMIZERS = 'src/optim/optimizers.test.ts'
const ADAMW_TEST = 'src/optim/adamw.test.ts'

export const STEP_MUTANTS: readonly Mutant[] = [
  {
    name: 'the sign of the decay is flipped',
    edits: edit(OPTIMIZER, 'sub(decay ? sub(parameter, decay)', 'sub(decay ? add(parameter, decay)'),
    tests: [FORMS],
    inSuite: true,
  },
  {
    name: 'decay is not multiplied by the learning rate',
    edits: edit('src/optim/forms/decoupled.ts', 'rate: mul(learningRate, lambda())', 'rate: lambda()'),
    tests: [FORMS],
    inSuite: true,
  },
  {
    name: 'decay comes after the step instead of from the same old weights',
    edits: edit(
      OPTIMIZER,
      'decayAt(parameter, pull(result.direction))',
      'decayAt(sub(parameter, mul(result.direction, result.scale)), pull(result.direction))',
    ),
    tests: [VECTORS],
    inSuite: true,
  },
  {
    name: 'decay goes before the moments, as L2, instead of after them',
    edits: edit(
      OPTIMIZER,
      'lambda: rates.lambda }) ?? clipped,',
      'lambda: rates.lambda }) ?? (form ? add(clipped, mul(parameter, rates.lambda())) : clipped),',
    ),
    tests: [FAULTS],
  },
  {
    name: 'another group’s λ is used',
    edits: edit(SCALARS, 'lambda: () => this.lambda(context, group)', 'lambda: () => this.lambda(context, 0 * group)'),
    tests: [FAULTS],
    inSuite: true,
  },
  {
    name: 'the decay is half of what it says',
    edits: edit(
      OPTIMIZER,
      'sub(parameter, toward) : parameter, rate)',
      'sub(parameter, toward) : parameter, mul(rate, 0.5))',
    ),
    tests: [FORMS],
  },
  {
    name: 'λ’s schedule is ignored',
    edits: edit(SCALARS, 'weightDecay * schedule(step - 1)', 'weightDecay'),
    tests: ['src/optim/decaySchedule.test.ts'],
  },
  {
    name: 'λ’s schedule is a step ahead',
    edits: edit(SCALARS, 'weightDecay * schedule(step - 1)', 'weightDecay * schedule(step)'),
    tests: [FAULTS],
  },
  {
    name: 'the decay does not see a group’s learning-rate multiplier',
    edits: edit(
      OPTIMIZER,
      'direction,\n        learningRate,',
      'direction,\n        learningRate: scalar(SCALARS.learningRate),',
    ),
    tests: [ADAMW_TEST, OPTIMIZERS],
  },
  {
    name: 'groups’ learning-rate multipliers are ignored altogether',
    edits: edit(SCALARS, 'multiplier === 1 ? rate : mul(rate, multiplier)', 'multiplier === 0 ? mul(rate, 0) : rate'),
    tests: [ADAMW_TEST],
  },
  {
    name: 'a frozen parameter is updated and decays',
    edits: [
      {
        file: 'src/optim/groups.ts',
        find: 'parameter.frozen === true ? { ...shared, weightDecay: 0 } : shared',
        replace: 'shared',
      },
      {
        file: OPTIMIZER,
        find: '.filter(({ name }) => this.#parameters.get(name)?.frozen !== true)',
        replace: '',
      },
    ],
    tests: [FAULTS],
    inSuite: true,
  },
  {
    name: 'clipping does not reach the optimizer',
    edits: edit(OPTIMIZER, 'scale ? mul(gradient, scale) : gradient', 'scale ? gradient : gradient'),
    tests: [OPTIMIZERS],
  },
  {
    name: 'w·(1 − rate) in f32, which decays 1.4 % too fast for ever at a rate of 1e-6',
    edits: edit(
      OPTIMIZER,
      'return mul(toward ? sub(parameter, toward) : parameter, rate)',
      'return toward ? mul(sub(parameter, toward), rate) : sub(parameter, mul(parameter, sub(1, rate)))',
    ),
    tests: [FORMS],
  },
  {
    name: 'a tied tensor decays once for each of its names',
    edits: edit(
      OPTIMIZER,
      'decayAt(parameter, pull(result.direction))',
      'decayAt(mul(parameter, 1 + (this.#parameters.get(name)?.aliases.length ?? 0)), pull(result.direction))',
    ),
    tests: [OPTIMIZERS],
    inSuite: true,
  },
  {
    name: 'a tied head may be in a second group',
    edits: edit(
      'src/optim/groups.ts',
      'const labels = [name, ...aliases]',
      'const labels = [name, ...aliases].slice(0, 1)',
    ),
    tests: [FAULTS],
  },
]
