/** Where the time of a program goes: launches with a clock around each, added up by kernel, beside the machine's ceilings. */
import type { LaunchTime } from './backend.ts'

/** What a machine can do at most, in flops and in bytes per second. */
export interface ProfileCeilings {
  readonly peak: number
  readonly bandwidth: number
}

/** All launches of one label, but for the numbers of blocks; per step. */
export interface ProfileRow {
  readonly label: string
  readonly launches: number
  readonly milliseconds: number
  readonly flops: number
  /** Read and written. */
  readonly bytes: number
  /** Of the time of all rows. */
  readonly shareOfTime: number
  /** Of the ceiling that it comes nearer to, and which that is; null where no ceilings are known. */
  readonly shareOfCeiling: number | null
  readonly ceiling: 'peak' | 'bandwidth' | null
}

type Sums = Pick<ProfileRow, 'launches' | 'milliseconds' | 'flops' | 'bytes'>

/** Sums of launches over some steps. */
export class LaunchSums {
  readonly #sums = new Map<string, Sums>()

  add(times: readonly LaunchTime[]): void {
    for (const { label, milliseconds, flops, bytes } of times) {
      const key = label.replaceAll(/\.\d+(?=[. ])/g, '.*')
      const sum = this.#sums.get(key) ?? { launches: 0, milliseconds: 0, flops: 0, bytes: 0 }
      this.#sums.set(key, {
        launches: sum.launches + 1,
        milliseconds: sum.milliseconds + milliseconds,
        flops: sum.flops + flops,
        bytes: sum.bytes + bytes,
      })
    }
  }

  /** Means over `steps` steps, longest first. */
  rows(steps: number, ceilings?: ProfileCeilings): readonly ProfileRow[] {
    const total = [...this.#sums.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    return [...this.#sums]
      .map(([label, sums]): ProfileRow => {
        const { share, ceiling } = nearestCeiling(sums, ceilings)
        return {
          label,
          launches: sums.launches / steps,
          milliseconds: sums.milliseconds / steps,
          flops: sums.flops / steps,
          bytes: sums.bytes / steps,
          shareOfTime: total > 0 ? sums.milliseconds / total : 0,
          shareOfCeiling: share,
          ceiling,
        }
      })
      .toSorted((a, b) => b.milliseconds - a.milliseconds)
  }
}

function nearestCeiling(
  { milliseconds, flops, bytes }: Sums,
  ceilings: ProfileCeilings | undefined,
): { readonly share: number | null; readonly ceiling: ProfileRow['ceiling'] } {
  if (ceilings === undefined || milliseconds <= 0) return { share: null, ceiling: null }
  const ofPeak = (1e3 * flops) / milliseconds / ceilings.peak
  const ofBandwidth = (1e3 * bytes) / milliseconds / ceilings.bandwidth
  if (ofPeak >= ofBandwidth) return { share: ofPeak, ceiling: 'peak' }
  return { share: ofBandwidth, ceiling: 'bandwidth' }
}

/** One line for each row under a line for all. */
export function renderProfile(rows: readonly ProfileRow[]): string {
  const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  return [`${total.toFixed(3).padStart(9)} ms in all`, ...rows.map(renderRow)].join('\n')
}

function renderRow({ label, launches, milliseconds, flops, bytes, shareOfTime, ...near }: ProfileRow): string {
  const rate = (count: number): string => (milliseconds > 0 ? count / milliseconds / 1e6 : 0).toFixed(1)
  const share = near.shareOfCeiling === null ? '' : `${percent(near.shareOfCeiling)} of ${near.ceiling}`.padEnd(21)
  return (
    `${milliseconds.toFixed(3).padStart(9)} ms ${(100 * shareOfTime).toFixed(1).padStart(5)} % ` +
    `${String(Math.round(launches * 10) / 10).padStart(4)} x ${rate(flops).padStart(7)} Gflop/s ` +
    `${rate(bytes).padStart(6)} GB/s  ${share}${label}`
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`.padStart(5)
}
