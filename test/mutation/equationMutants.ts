/** Faults in the forms' and the optimizers' own equations. */
import { edit, type Mutant } from './mutant.ts'

const OPTIMIZER = 'src/optim/decayingOptimizer.ts'
const FAULTS = 'src/optim/faults.test.ts'
const FORMS = 'src/optim/forms.test.ts'
const VECTORS = 'src/optim/referenceVectors.test.ts'
const IDENTITIES = 'src/optim/identities.test.ts'

/** Of decay. */
export const FORM_MUTANTS: readonly Mutant[] = [
  {
    name: 'cautious: the mask is inverted, as for the signed change −η·u',
    edits: edit(
      'src/optim/forms/cautious.ts',
      'mul(point.direction, point.parameter)',
      'mul(point.direction, mul(point.parameter, -1))',
    ),
    tests: [VECTORS],
  },
  {
    name: 'cautious: > in place of ≥',
    edits: edit(
      'src/optim/forms/cautious.ts',
      "mask === '>=' ? greaterEqual : greater",
      "mask === '>=' ? greater : greater",
    ),
    tests: [FORMS],
  },
  {
    name: 'independent: not divided by the peak',
    edits: edit(
      'src/optim/forms/independent.ts',
      'mul(div(learningRate, peakLearningRate()), lambda())',
      'mul(learningRate, lambda())',
    ),
    tests: [FORMS],
  },
  {
    name: 'corrected: the peak is the rate of the step, as where a warm-up’s first rate is taken for it',
    edits: edit(
      'src/optim/forms/corrected.ts',
      'div(square(learningRate), peakLearningRate())',
      'div(square(learningRate), learningRate)',
    ),
    tests: [FORMS],
  },
  {
    name: 'corrected: gains and biases are corrected too',
    edits: edit(OPTIMIZER, "return role === 'matrix'", "return role !== 'embedding'"),
    tests: [FORMS],
  },
  {
    name: 'lr-squared: the learning rate is not squared',
    edits: edit(
      'src/optim/forms/lrSquared.ts',
      'rate: mul(square(learningRate), lambda())',
      'rate: mul(learningRate, lambda())',
    ),
    tests: [FORMS],
  },
  {
    name: 'fixed: follows the schedule',
    edits: edit(
      'src/optim/forms/fixed.ts',
      'pull: ({ lambda }) => ({ rate: lambda() })',
      'pull: ({ lambda, learningRate }) => ({ rate: mul(lambda(), learningRate) })',
    ).concat(
      edit(
        'src/optim/forms/fixed.ts',
        'import { noStates',
        "import { mul } from '../../engine/index.ts'\nimport { noStates",
      ),
    ),
    tests: [FORMS],
  },
  {
    name: 'toward-init: the target moves along with the weights',
    edits: edit(
      OPTIMIZER,
      'return select(scalar(SCALARS.firstStep), initial, context.state(state, initial.shape))',
      'return add(initial, mul(context.state(state, initial.shape), 0))',
    ),
    tests: [VECTORS],
  },
  {
    name: 'loss-l2: λ in place of λ/2',
    edits: edit('src/optim/forms/lossL2.ts', 'mul(lambda, 0.5)', 'mul(lambda, 1)'),
    tests: [IDENTITIES],
  },
  {
    name: 'gradient-l2: λ·w is subtracted',
    edits: edit(
      'src/optim/forms/gradientL2.ts',
      'add(gradient, mul(parameter, lambda()))',
      'add(gradient, mul(parameter, mul(lambda(), -1)))',
    ),
    tests: [FAULTS],
  },
  {
    name: 'selective: rows without gradient decay as well',
    edits: edit('src/optim/forms/selective.ts', 'mul(greater(rows, 0), rate)', 'mul(greater(rows, -1), rate)'),
    tests: [FAULTS],
  },
  {
    name: 'target-norm: the target is 0',
    edits: edit(
      'src/optim/forms/targetNorm.ts',
      "mul(remembered('initial_norm', norm), ratio)",
      "mul(remembered('initial_norm', norm), 0 * ratio)",
    ),
    tests: [FORMS],
  },
]

/** Of optimizers. */
export const OPTIMIZER_MUTANTS: readonly Mutant[] = [
  {
    name: '"AdamW" is Adam with L2',
    edits: edit('src/optim/adamw.ts', "form: 'decoupled' }", "form: 'gradient-l2' }"),
    tests: [FAULTS],
    inSuite: true,
  },
  {
    name: '"Adam" is AdamW',
    edits: edit('src/optim/adam.ts', "form: 'gradient-l2' }", "form: 'decoupled' }"),
    tests: [FAULTS],
  },
  {
    name: 'ε is left out',
    edits: edit('src/optim/adamw.ts', 'direction: div(m, add(root, eps))', 'direction: div(m, add(root, 0 * eps))'),
    tests: [VECTORS],
  },
  {
    name: 'ε goes under the root',
    edits: edit(
      'src/optim/adamw.ts',
      'div(sqrt(v), sqrt(scalar(CORRECTION2)))',
      'sqrt(add(div(v, scalar(CORRECTION2)), eps))',
    ),
    tests: [VECTORS],
  },
  {
    name: 'the step counter never advances, so that every update is 2.236 times too large',
    edits: edit(
      'src/optim/adamw.ts',
      '1 - beta1 ** step, [CORRECTION2]: 1 - beta2 ** step',
      '1 - beta1 ** Math.min(step, 1), [CORRECTION2]: 1 - beta2 ** Math.min(step, 1)',
    ),
    tests: [VECTORS],
  },
  {
    name: 'β1 and β2 are exchanged',
    edits: edit('src/optim/adamw.ts', 'const [beta1, beta2] = betas', 'const [beta2, beta1] = betas'),
    tests: [VECTORS],
  },
  {
    name: 'Muon decays by its adjusted learning rate',
    edits: edit(
      'src/optim/muon.ts',
      'scale: mul(learningRate, scale),',
      'scale: mul(learningRate, scale),\n    decay: mul(parameter, mul(pull(buffer)!.rate, scale)),',
    ).concat(
      edit(
        'src/optim/muon.ts',
        'function muonStep({ name, gradient, learningRate, state }',
        'function muonStep({ name, gradient, learningRate, state, parameter, pull }',
      ),
    ),
    tests: [FAULTS],
  },
  {
    name: 'Lion updates its momentum before it steps',
    edits: edit(
      'src/optim/lion.ts',
      'const blend = add(mul(m, beta1), mul(gradient, 1 - beta1))',
      'const blend = add(mul(add(mul(m, beta2), mul(gradient, 1 - beta2)), beta1), mul(gradient, 1 - beta1))',
    ),
    tests: ['src/optim/twins.test.ts'],
  },
  {
    name: 'Schedule-Free hands out no average to evaluate',
    edits: edit(
      OPTIMIZER,
      'if (rule.evaluationWeights) this.evaluationWeights',
      'if (rule.evaluationWeights && !this.form) this.evaluationWeights',
    ),
    tests: [FAULTS],
  },
]
