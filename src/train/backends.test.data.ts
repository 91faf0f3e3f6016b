/** The backends that the training tests run on, and how far each may be from float64. */
import type { Backend } from '../engine/index.ts'
import { createInterpreterBackend } from '../engine/runtime/interpreter/interpreter.ts'

export interface TestedBackend {
  readonly label: string
  create(): Backend
  /** Whether its numbers are float64. */
  readonly precision: 'float64' | 'float32'
  /** Largest difference allowed against the plain twin in float64, relative to the larger of 1 and the value's own scale. */
  readonly tolerance: number
}

export const testedBackends: readonly TestedBackend[] = [
  {
    label: 'interpreter, float64',
    create: () => createInterpreterBackend({ precision: 'f64' }),
    precision: 'float64',
    tolerance: 1e-9,
  },
  {
    label: 'interpreter, float32',
    create: () => createInterpreterBackend({ precision: 'f32' }),
    precision: 'float32',
    tolerance: 1e-4,
  },
]
