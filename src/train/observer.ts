/**
 * What is known of a run's forces beside the step that is looked at: how often each token was seen, how large the rows of
 * the token tables were at the start, how many steps were clipped. Saved in checkpoints, so that a resumed run goes on
 * with the same numbers.
 */
import type { Backend } from '../engine/index.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import { createExpectations, type ExpectedStep, type StepExpectations } from '../optim/index.ts'
import { OBSERVED_VERSION, type LookLine, type ObservedRecord } from '../records/index.ts'
import { isTokenTable, type Forces } from './forces.ts'
import { lookLine } from './lookLine.ts'
import type { Look } from './programs.ts'
import type { RunSetup } from './setup.ts'

/** A token table that is watched. */
export interface WatchedTable {
  readonly spec: ParameterSpec
  /** ‖row‖ when counting began. */
  initial: readonly number[]
  survival: number | null
}

export class Observer implements Look {
  readonly #setup: RunSetup
  readonly #expect: StepExpectations
  readonly #tables: readonly WatchedTable[]
  readonly #seen: Float64Array
  #since = 0
  #clip = { steps: 0, clipped: 0 }

  constructor(setup: RunSetup) {
    const { step, ledger, foretold } = setup
    this.#setup = setup
    this.#expect = createExpectations({ optimizer: step.optimizer, ledger, foretold })
    const tables = step.parameters.filter((spec) => spec.frozen !== true && isTokenTable(spec, step))
    this.#tables = tables.map((spec) => ({ spec, initial: [], survival: 1 }))
    this.#seen = new Float64Array(step.config.vocab)
  }

  /** Begins with the weights that the backend holds, after `step` steps; or goes on from what was saved there. */
  begin(backend: Backend, step: number, saved: ObservedRecord | null): void {
    this.#since = step
    for (const table of this.#tables) {
      const { name, shape } = table.spec
      table.initial = rowNorms(backend.buffer(name, 'f32', shape), shape[0]!)
    }
    if (!saved) return
    this.#since = saved.since
    this.#seen.set(saved.seen)
    this.#clip = { ...saved.clip }
    for (const table of this.#tables) {
      const known = saved.tables.find(({ name }) => name === table.spec.name)
      if (known) Object.assign(table, { initial: known.initial, survival: known.survival })
    }
  }

  readonly onBatch = (ids: Int32Array): void => {
    for (let k = 0; k < ids.length; k++) this.#seen[ids[k]!]!++
  }

  /** Notes a step that is done; the position is the one that it was made at. */
  note(position: ExpectedStep, gradientNorm: number): void {
    const { clip } = this.#setup.step
    this.#clip.steps++
    if (clip > 0 && gradientNorm > clip) this.#clip.clipped++
    const expected = this.#expect(position)
    for (const table of this.#tables) {
      const { survival } = expected(table.spec.name)
      table.survival = table.survival === null || survival === null ? null : table.survival * survival
    }
  }

  /** The line of a step that was noted and looked at. */
  line(position: ExpectedStep, gradientNorm: number, forces: Forces): LookLine {
    const clip = this.#clip
    this.#clip = { steps: 0, clipped: 0 }
    return lookLine({
      step: position.step + 1,
      learningRate: position.learningRate,
      gradientNorm,
      forces,
      clip,
      setup: this.#setup.step,
      expected: this.#expect(position),
      tokens: { since: this.#since, seen: this.#seen, tables: this.#tables },
    })
  }

  /** For the checkpoint of `step`. */
  record(step: number): ObservedRecord {
    return {
      version: OBSERVED_VERSION,
      step,
      clip: this.#clip,
      since: this.#since,
      seen: [...this.#seen],
      tables: this.#tables.map(({ spec, initial, survival }) => ({ name: spec.name, initial: [...initial], survival })),
    }
  }
}

/** Seven digits: what is saved is what a run goes on with. */
function rowNorms(values: ArrayLike<number>, rows: number): number[] {
  const width = values.length / rows
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let k = row * width; k < (row + 1) * width; k++) sum += values[k]! ** 2
    return Number(Math.sqrt(sum).toPrecision(7))
  })
}
