/** The backends that the training tests run on, and how far each may be from float64. */
import { availableBackends, createBackend, createInterpreterBackend, type Backend } from '../engine/index.ts'

export interface TestedBackend {
  readonly label: string
  /** Where threads can be chosen: one unless told, since test files already share the cores. */
  create(threads?: number): Backend
  /** Largest difference allowed against the plain twin in float64, as a share of the largest value compared. */
  readonly tolerance: number
}

export const float64: TestedBackend = {
  label: 'interpreter, float64',
  create: () => createInterpreterBackend({ precision: 'f64' }),
  tolerance: 1e-9,
}
export const float32: TestedBackend = {
  label: 'interpreter, float32',
  create: () => createInterpreterBackend({ precision: 'f32' }),
  tolerance: 1e-4,
}

const compiled = availableBackends().filter(({ name }) => name !== 'interpreter')

/** The compiled backends that can run on this machine. */
export const compiledBackends: readonly TestedBackend[] = compiled
  .filter(({ unavailable }) => unavailable === undefined)
  .map(({ name }) => ({
    label: name,
    create: (threads = 1) => createBackend({ backend: name, threads }),
    tolerance: 1e-4,
  }))

export const testedBackends: readonly TestedBackend[] = [float64, float32, ...compiledBackends]

/** Those that this machine lacks, with the reason: shown as skipped, so that nobody takes them for tested. */
export const missingBackends: readonly string[] = compiled.flatMap(({ name, unavailable }) => {
  return unavailable === undefined ? [] : [`${name}: ${unavailable}`]
})
