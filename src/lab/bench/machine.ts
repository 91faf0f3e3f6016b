/** The ceilings of the backends that cases run on, measured over and over between their steps. */
import {
  createCeilings,
  memoryProgramNames,
  type BackendName,
  type BackendOptions,
  type CeilingRates,
  type Ceilings,
  type MemoryProgramName,
} from '../../engine/index.ts'
import type { CeilingsRecord } from '../../records/index.ts'
import { quantile, spreadOf } from './statistics.ts'

/** The ceilings of one backend with all that was measured of them. */
export class MeasuredCeilings {
  readonly #backend: string
  readonly #ceilings: Ceilings
  readonly #rates: CeilingRates[] = []

  constructor(backend: BackendName, options: BackendOptions) {
    this.#backend = backend
    this.#ceilings = createCeilings({ ...options, backend })
  }

  measure(): CeilingRates {
    const rates = this.#ceilings.measure()
    this.#rates.push(rates)
    return rates
  }

  record(): CeilingsRecord {
    const { description, threads, withoutBf16 } = this.#ceilings
    return ceilingsRecord(this.#rates, {
      backend: this.#backend,
      description,
      threads,
      withoutBf16: withoutBf16 ?? null,
    })
  }

  dispose(): void {
    this.#ceilings.dispose()
  }
}

/** Medians of the measurements; the bandwidth is that of the pass with the largest. */
export function ceilingsRecord(
  rates: readonly CeilingRates[],
  facts: Pick<CeilingsRecord, 'backend' | 'description' | 'threads' | 'withoutBf16'>,
): CeilingsRecord {
  const peak = spreadOf(rates.map(({ peakFp32 }) => peakFp32))
  const pairs = rates.map(({ peakBf16 }) => peakBf16).filter((rate) => rate !== null)
  const medianOf = (name: MemoryProgramName): number => {
    return quantile(
      rates.map(({ bandwidth }) => bandwidth[name]),
      0.5,
    )
  }
  const bandwidths = {
    read: medianOf('read'),
    copy: medianOf('copy'),
    triad: medianOf('triad'),
    update: medianOf('update'),
  }
  const fastest = memoryProgramNames.reduce((best, name) => (bandwidths[name] > bandwidths[best] ? name : best))
  return {
    ...facts,
    peakFp32: peak.median,
    peakFp32Quartiles: [peak.lowerQuartile, peak.upperQuartile],
    peakBf16: pairs.length === 0 ? null : quantile(pairs, 0.5),
    bandwidth: bandwidths[fastest],
    bandwidthOf: fastest,
    bandwidths,
  }
}
