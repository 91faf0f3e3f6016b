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

/** Profiled steps. */
const PROFILED = 5

export interface Contender extends PreparedCase {
  readonly backend: BackendName
  readonly threads: number
  /** The second step's time: what the first one pays once is not in it. */
  readonly warmMs: number
  /** The times of so many steps, in milliseconds. */
  run(steps: number): readonly number[]
  /** Some further steps with a clock around each launch. */
  profile(ceilings: ProfileCeilings): readonly ProfileRow[]
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
    return {
      ...prepared,
      backend: backend.name,
      threads: backend.threads,
      warmMs,
      run: (steps) => Array.from({ length: steps }, () => timed(step)),
      profile(ceilings) {
        const sums = new LaunchSums()
        for (let k = 0; k < PROFILED; k++) sums.add(executable.profile())
        return sums.rows(PROFILED, ceilings)
      },
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
