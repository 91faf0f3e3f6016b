/** halflife as a contender: a backend of its own for a case, compiled and warm. */
import {
  createBackend,
  LaunchSums,
  type BackendName,
  type BackendOptions,
  type Precision,
  type ProfileCeilings,
  type ProfileRow,
} from '../../engine/index.ts'
import type { BenchCase, PreparedCase } from './benchCase.ts'

export interface Contender extends PreparedCase {
  readonly backend: BackendName
  readonly threads: number
  /** The second step's time: what the first one pays once is not in it. */
  readonly warmMs: number
  /** The times of so many steps, in milliseconds. */
  run(steps: number): readonly number[]
  /** So many further steps with a clock around each launch. */
  profile(steps: number): void
  /** What the profiled steps took. */
  rows(ceilings: ProfileCeilings): readonly ProfileRow[]
  dispose(): void
}

/** Compiles the case and does two steps. */
export function startContender(
  { prepare }: Pick<BenchCase, 'prepare'>,
  options: BackendOptions,
  precision: Precision,
): Contender {
  const backend = createBackend(options)
  try {
    const prepared = prepare(backend, precision)
    const { step, executable } = prepared
    step()
    const warmMs = timed(step)
    const sums = new LaunchSums()
    let profiled = 0
    return {
      ...prepared,
      backend: backend.name,
      threads: backend.threads,
      warmMs,
      run: (steps) => Array.from({ length: steps }, () => timed(step)),
      profile(steps) {
        for (let k = 0; k < steps; k++) sums.add(executable.profile())
        profiled += steps
      },
      rows: (ceilings) => sums.rows(profiled, ceilings),
      dispose: () => backend.dispose(),
    }
  } catch (error) {
    backend.dispose()
    throw error
  }
}

function timed(step: () => void): number {
  const begin = performance.now()
  step()
  return performance.now() - begin
}
