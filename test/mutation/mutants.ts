/**
 * Faults to put into the code, one at a time, to see that a test fails: each is something that a trainer has shipped,
 * or one slip away from it. `find` must stand in `file` exactly once; when the code moves on, `npm run mutate` says so.
 */

export interface Edit {
  /** From the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  /** What goes wrong, in a few words. */
  readonly name: string
  readonly edits: readonly Edit[]
  /** Test files of which one must fail. */
  readonly tests: readonly string[]
  /** Among the few that every run of the test suite tries. */
  readonly inSuite?: true
}

const OPTIMIZER = 'src/optim/decayingOptimizer.ts'
const SCALARS = 'src/optim/decayScalars.ts'
const FAULTS = 'src/optim/faults.test.ts'
const FORMS = 'src/optim/forms.test.ts'
const VECTORS = 'src/optim/referenceVectors.test.ts'
const OPTIMIZERS = 'src/optim/optimizers.test.ts'
const ADAMW_TEST = 'src/optim/adamw.test.ts'
const IDENTITIES = 'src/optim/identities.test.ts'
const POLICY = 'src/optim/policy.test.ts'
const LEDGER = 'src/optim/ledger.test.ts'

const edit = (file: string, find: string, replace: string): readonly Edit[] => [{ file, find, replace }]

/** The arithmetic of one step. */
const STEP: readonly Mutant[] = [
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

/** The forms' own equations. */
const FORM: readonly Mutant[] = [
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

/** The optimizers' own equations. */
const EQUATIONS: readonly Mutant[] = [
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

/** Who decays, and what is said of it. */
const DECISIONS: readonly Mutant[] = [
  {
    name: 'gains of norms decay under nanoGPT’s rule',
    edits: edit('src/optim/policyTable.ts', 'when: { dimensions: [0, 1] }', 'when: { dimensions: [0, 0] }'),
    tests: [POLICY],
    inSuite: true,
  },
  {
    name: 'gains with two dimensions (stacked layers) decay under the note’s rule',
    edits: edit(
      'src/optim/policyTable.ts',
      "clauses: [BIASES_OUT, GAINS_OUT, VECTORS_OUT, { decays: true, reason: 'matrix or embedding' }]",
      "clauses: [BIASES_OUT, VECTORS_OUT, { decays: true, reason: 'matrix or embedding' }]",
    ),
    tests: [POLICY],
  },
  {
    name: 'OLMo-2’s embeddings decay',
    edits: edit('src/optim/policyTable.ts', 'clauses: [TABLES_OUT, REST]', 'clauses: [REST]'),
    tests: [POLICY],
  },
  {
    name: 'a frozen parameter gets the policy’s answer',
    edits: edit(
      'src/optim/policy.ts',
      'if (parameter.frozen === true) return',
      "if (parameter.frozen === true && parameter.name === '') return",
    ),
    tests: [POLICY],
  },
  {
    name: 'a pattern that matches nothing is let pass',
    edits: edit('src/optim/patterns.ts', 'if (members.length === 0) throw', 'if (members.length < 0) throw'),
    tests: ['src/optim/overrides.test.ts'],
  },
  {
    name: 'the later of two patterns that disagree wins',
    edits: edit(
      'src/optim/patterns.ts',
      'earlier !== undefined && earlier.value !== candidate.value',
      'earlier !== undefined && Number.isNaN(candidate.value)',
    ),
    tests: ['src/optim/overrides.test.ts'],
  },
  {
    name: 'survival is 1 − Σ in place of the product',
    edits: edit('src/optim/forecast.ts', 'product *= 1 - taken', 'product -= taken'),
    tests: ['src/optim/forecast.test.ts'],
  },
  {
    name: 'the equilibrium leaves out the 2 of √(lr/2λ)',
    edits: edit('src/optim/forecast.ts', 'learningRate / Math.sqrt(2 * shrink)', 'learningRate / Math.sqrt(shrink)'),
    tests: ['src/optim/forecast.test.ts'],
  },
  {
    name: 'a tied tensor counts twice',
    edits: edit(
      'src/nn/parameter.ts',
      '(sum, parameter) => sum + parameterCount(parameter.shape)',
      '(sum, parameter) => sum + parameterCount(parameter.shape) * (1 + parameter.aliases.length)',
    ),
    tests: ['src/nn/parameter.test.ts', LEDGER, 'src/optim/explain.test.ts'],
  },
  {
    name: 'Composer’s λ is taken for PyTorch’s',
    edits: edit('src/optim/convertRows.ts', '=> learningRate / peak', '=> (0 * peak + 1) * learningRate'),
    tests: ['src/optim/convert.test.ts'],
  },
]

/** From the recipe to the run, and over a resume. */
const RUN: readonly Mutant[] = [
  {
    name: 'moments are lost on resume',
    edits: edit(
      'src/train/storage.ts',
      'restore(backend, from.optimizer, expected,',
      'restore(backend, new Map([...from.optimizer].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }])), expected,',
    ),
    tests: ['src/train/trainer.test.ts'],
  },
  {
    name: 'half of the moments are lost on resume',
    edits: edit(
      'src/train/storage.ts',
      'restore(backend, from.optimizer, expected,',
      "restore(backend, new Map([...from.optimizer].map(([name, { shape, data }]) => [name, { shape, data: name.endsWith('exp_avg_sq') ? data.map(() => 0) : data }])), expected,",
    ),
    tests: ['src/train/trainer.test.ts'],
  },
  {
    name: 'λ is lost on resume: the checkpoint’s replaces the one given',
    edits: edit(
      'src/train/trainer.ts',
      'const setup = runSetup(options.recipe.config, options.corpus)',
      'const setup = runSetup(options.resume === undefined ? options.recipe.config : readResumePoint(options.resume).metadata.recipe.config as typeof options.recipe.config, options.corpus)',
    ),
    tests: ['src/train/interruption.test.ts'],
    inSuite: true,
  },
  {
    name: 'training decays by other groups than the ledger names',
    edits: edit('src/train/setup.ts', 'group.params.push(spec)', 'group.params.unshift(spec)').concat(
      edit(
        'src/train/setup.ts',
        'return [...groups.values()]',
        'return [...groups.values()].map((group, k, all) => ({ ...group, weightDecay: all.at(-1 - k)!.weightDecay }))',
      ),
    ),
    tests: ['src/train/step.test.ts', 'src/train/interruption.test.ts'],
  },
]

/** One backend alone. */
const ENGINE: readonly Mutant[] = [
  {
    name: 'the native backend ignores λ',
    edits: edit(
      'src/engine/runtime/native/buffers.ts',
      "const array = dtype === 'f32' ? new Float32Array(view, offset, size)",
      "const array = dtype === 'f32' ? new Float32Array(name.includes('weightDecay') ? new ArrayBuffer(4) : view, name.includes('weightDecay') ? 0 : offset, size)",
    ),
    tests: [FAULTS],
    inSuite: true,
  },
  {
    name: 'WebAssembly ignores λ',
    edits: edit(
      'src/engine/runtime/wasm/machine.ts',
      "const values = dtype === 'i32' ?",
      "const values = name.includes('weightDecay') ? new Float32Array(size) : dtype === 'i32' ?",
    ),
    tests: [FAULTS],
  },
  {
    name: 'WebAssembly adds where it should subtract',
    edits: edit('src/engine/codegen/wasm/scalarCode.ts', "sub: plain('f32x4.sub')", "sub: plain('f32x4.add')"),
    tests: [FAULTS],
  },
  {
    name: 'native code adds where it should subtract',
    edits: edit('src/engine/codegen/x64/selectVector.ts', 'sub: binary(vectorRows.sub)', 'sub: binary(vectorRows.add)'),
    tests: [FAULTS],
  },
  {
    name: 'native threads leave the last unit of each launch out',
    edits: edit(
      'src/engine/runtime/native/loadedProgram.ts',
      'at + launchEntry.units, launch.units)',
      'at + launchEntry.units, Math.max(1, launch.units - 1))',
    ),
    tests: ['src/engine/runtime/native/machine.test.ts'],
  },
  {
    name: 'WebAssembly’s last thread leaves its share out',
    edits: edit(
      'src/engine/runtime/wasm/wasmProgram.ts',
      'Math.floor((thread * launch.units) / threads)',
      'Math.floor((Math.min(thread, Math.max(1, threads - 1)) * launch.units) / threads)',
    ),
    tests: ['src/engine/runtime/wasm/machine.test.ts'],
  },
]

export const MUTANTS: readonly Mutant[] = [...STEP, ...FORM, ...EQUATIONS, ...DECISIONS, ...RUN, ...ENGINE]
