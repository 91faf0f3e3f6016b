/** How fast steps go. */

/** Weight of the newest step in the smoothed time: about the last ten steps count. */
const SMOOTHING = 0.1

export class Pace {
  readonly #times: number[] = []
  #smoothed = 0
  readonly #tokensPerStep: number

  constructor(tokensPerStep: number) {
    this.#tokensPerStep = tokensPerStep
  }

  /** Notes a step that took `milliseconds`. */
  add(milliseconds: number): void {
    this.#smoothed = this.#times.length === 0 ? milliseconds : blend(this.#smoothed, milliseconds)
    this.#times.push(milliseconds)
  }

  /** Smoothed over the last steps. */
  get tokensPerSecond(): number {
    return perSecond(this.#tokensPerStep, this.#smoothed)
  }

  secondsFor(steps: number): number {
    return (steps * this.#smoothed) / 1000
  }

  /** Over all steps noted; null where there are none. `flopsPerStep` are those of one optimizer step. */
  totals(flopsPerStep: number): {
    medianStepMs: number | null
    tokensPerSecond: number | null
    flopsPerSecond: number | null
  } {
    const count = this.#times.length
    if (count === 0) return { medianStepMs: null, tokensPerSecond: null, flopsPerSecond: null }
    const total = this.#times.reduce((sum, time) => sum + time, 0)
    return {
      medianStepMs: median(this.#times),
      tokensPerSecond: perSecond(count * this.#tokensPerStep, total),
      flopsPerSecond: perSecond(count * flopsPerStep, total),
    }
  }
}

function blend(before: number, now: number): number {
  return before + SMOOTHING * (now - before)
}

/** A clock that did not move must not divide by zero. */
function perSecond(amount: number, milliseconds: number): number {
  return (1000 * amount) / Math.max(milliseconds, 1e-6)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
