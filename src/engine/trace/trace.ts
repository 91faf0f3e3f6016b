/** A traced program: named inputs, state that it reads and replaces, and outputs. */
import type { Tensor } from '../ops/row.ts'

export interface Graph {
  readonly name: string
  /** Results that the caller reads after a run, by name. */
  readonly outputs: ReadonlyMap<string, Tensor>
  /** New values of state buffers, by name; written in place when the run ends. */
  readonly updates: ReadonlyMap<string, Tensor>
}
