/** `train --profile`: where the time of some steps of a run goes, kernel by kernel. */
import { writeText } from '../checkpoint/index.ts'
import {
  createCeilings,
  createProfiler,
  renderProfile,
  type Backend,
  type BackendOptions,
  type Precision,
  type ProfileCeilings,
} from '../engine/index.ts'
import type { StepProfileRecord } from '../records/index.ts'
import { STEP_PROGRAMS, type TrainEvent } from '../train/index.ts'

/** Steps before the watched ones: the first pay for memory that is touched for the first time. */
const WARM_UP = 5
/** Steps that are watched. */
const WATCHED = 10

export interface StepProfile {
  /** What to train on. */
  readonly backend: Backend
  /** Follows the run: begins and ends to watch. */
  tell(event: TrainEvent): void
  /** What was watched, beside the machine's ceilings, which are measured now; null where no step was. */
  finish(): StepProfileRecord | null
}

/** Watches ten steps after the fifth, or of a shorter run its second half. The results of the run stay the same. */
export function profileSteps(on: Backend, options: BackendOptions, precision: Precision): StepProfile {
  const profiler = createProfiler(on, (program) => STEP_PROGRAMS.some((name) => name === program))
  let [first, last, done] = [0, 0, 0]
  const watch = (): void => profiler.watch(done + 1 >= first && done + 1 <= last)
  return {
    backend: profiler.backend,
    tell(event) {
      if (event.kind === 'start') {
        const left = event.steps - event.startStep
        done = event.startStep
        first = done + 1 + Math.min(WARM_UP, Math.floor(left / 2))
        last = Math.min(event.steps, first + WATCHED - 1)
        watch()
      }
      if (event.kind !== 'step') return
      done = event.step
      watch()
    },
    finish() {
      profiler.watch(false)
      const steps = Math.min(done, last) - first + 1
      if (first === 0 || steps < 1) return null
      const ceilings = measureCeilings(on, options, precision)
      const { name, description, threads } = on
      const kernels = profiler.rows(steps, ceilings)
      const { peak = null, bandwidth = null } = ceilings ?? {}
      return {
        backend: name,
        description,
        threads,
        precision,
        first,
        last: first + steps - 1,
        peak,
        bandwidth,
        kernels,
      }
    },
  }
}

/** Undefined for the interpreter, which has none. */
function measureCeilings(on: Backend, options: BackendOptions, precision: Precision): ProfileCeilings | undefined {
  if (on.name === 'interpreter') return undefined
  const ceilings = createCeilings({ ...options, backend: on.name, threads: on.threads })
  try {
    const { peakFp32, peakBf16, bandwidth } = ceilings.measure()
    return {
      peak: precision === 'bf16' ? (peakBf16 ?? peakFp32) : peakFp32,
      bandwidth: Math.max(...Object.values(bandwidth)),
    }
  } finally {
    ceilings.dispose()
  }
}

/** The table of a profile under a line that says of what. */
export function stepProfileText(profile: StepProfileRecord): string {
  const { first, last, description, peak, bandwidth, kernels } = profile
  const limits =
    peak === null || bandwidth === null
      ? ''
      : `; ceilings ${(peak / 1e9).toFixed(1)} Gflop/s and ${(bandwidth / 1e9).toFixed(1)} GB/s`
  const which = first === last ? `step ${first}` : `steps ${first} to ${last}, per step`
  return `Profile of ${which}, ${description}${limits}\n${renderProfile(kernels)}`
}

/** Writes a profile as JSON. */
export function writeStepProfile(file: string, profile: StepProfileRecord): void {
  writeText(file, `${JSON.stringify(profile, null, 2)}\n`)
}
