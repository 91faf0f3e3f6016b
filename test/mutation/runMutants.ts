/** Faults in who decays and in what is said of it, from the recipe to the run, over a resume, and on one backend alone. */
import { edit, type Mutant } from './mutant.ts'

const FAULTS = 'src/optim/faults.test.ts'
const POLICY = 'src/optim/policy.test.ts'
const LEDGER = 'src/optim/ledger.test.ts'

/** Who decays, and what is said of it. */
export const DECISION_MUTANTS: readonly Mutant[] = [
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
export const RUN_MUTANTS: readonly Mutant[] = [
  {
    name: 'moments are lost on resume',
    edits: edit(
      'src/train/storage.ts',
      'restore(backend, from.optimizer, shapesByName(optimizer.init(parameters)),',
      'restore(backend, new Map([...from.optimizer].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }])), shapesByName(optimizer.init(parameters)),',
    ),
    tests: ['src/train/trainer.test.ts'],
  },
  {
    name: 'half of the moments are lost on resume',
    edits: edit(
      'src/train/storage.ts',
      'restore(backend, from.optimizer, shapesByName(optimizer.init(parameters)),',
      "restore(backend, new Map([...from.optimizer].map(([name, { shape, data }]) => [name, { shape, data: name.endsWith('exp_avg_sq') ? data.map(() => 0) : data }])), shapesByName(optimizer.init(parameters)),",
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
    edits: edit('src/optim/ledgerGroups.ts', 'group.params.push(parameter)', 'group.params.unshift(parameter)').concat(
      edit(
        'src/optim/ledgerGroups.ts',
        'return [...groups.values()]',
        'return [...groups.values()].map((group, k, all) => ({ ...group, weightDecay: all.at(-1 - k)!.weightDecay }))',
      ),
    ),
    tests: ['src/train/step.test.ts', 'src/train/interruption.test.ts'],
  },
]

/** One backend alone. */
export const BACKEND_MUTANTS: readonly Mutant[] = [
  {
    name: 'the native backend ignores λ',
    edits: edit(
      'src/engine/runtime/native/buffers.ts',
      "dtype === 'f32' ? new Float32Array(view(), offset, size)",
      "name.includes('weightDecay') ? new Float32Array(size) : dtype === 'f32' ? new Float32Array(view(), offset, size)",
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
      'at + launchEntry.fixed, fixed)',
      'at + launchEntry.fixed, takes === 0 ? Math.max(1, fixed - 1) : fixed)',
    ),
    tests: ['src/engine/runtime/native/machine.test.ts'],
  },
  {
    name: 'a thread waits for those before it only',
    edits: edit(
      'src/engine/plan/barriers.ts',
      'overlap(range, b.before[t]!) || overlap(range, b.behind[t]!)',
      'overlap(range, b.behind[t]!)',
    ),
    tests: ['src/engine/plan/barriers.test.ts'],
  },
  {
    name: 'units are said to reach the first lane only of what they touch',
    edits: edit('src/engine/kernel/reach.ts', 'at.high + offset + 4 * lanes', 'at.high + offset + 4'),
    tests: ['src/engine/kernel/reach.test.ts'],
  },
  {
    name: 'whoever takes units natively leaves the last one out',
    edits: edit(
      'src/engine/runtime/native/loadedProgram.ts',
      'at + launchEntry.units, launch.units)',
      'at + launchEntry.units, Math.max(1, launch.units - 1))',
    ),
    tests: ['src/engine/plan/shares.test.ts'],
  },
  {
    name: 'WebAssembly’s last thread leaves its share out',
    edits: edit(
      'src/engine/runtime/wasm/wasmProgram.ts',
      'bounds.forEach((bound, thread) => (record[launchRecord.bounds / 4 + thread] = bound))',
      'bounds.forEach((_, thread, all) => (record[launchRecord.bounds / 4 + thread] = all[Math.min(thread, Math.max(1, all.length - 2))]!))',
    ),
    tests: ['src/engine/runtime/wasm/machine.test.ts'],
  },
]
