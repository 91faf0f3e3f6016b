/** What the rounds of a case amount to: medians of its times, and ratios to what stood beside them in the same round. */
import type { CeilingRates, Precision } from '../../engine/index.ts'
import type { BenchResult } from '../../records/index.ts'
import type { BenchCase } from './benchCase.ts'
import type { Contender } from './contender.ts'
import { ceilingsRecord } from './machine.ts'
import type { PytorchMode, PytorchReady } from './pytorch.ts'
import { quantile, spreadOf, type Spread } from './statistics.ts'

/** What one turn of each contender measured; times in milliseconds. */
export interface Round {
  readonly rates: CeilingRates
  readonly times: readonly number[]
  readonly rivals: ReadonlyMap<PytorchMode, readonly number[]>
}

/** PyTorch at the same work. */
export interface Rival {
  readonly ready: PytorchReady
  /** Those that run. */
  readonly modes: readonly PytorchMode[]
  /** Why others do not. */
  readonly notes: readonly string[]
}

/** A case on one count of threads, measured. */
export interface MeasuredCase {
  readonly benchCase: Pick<BenchCase, 'name' | 'description' | 'limit'>
  readonly precision: Precision
  readonly contender: Pick<Contender, 'backend' | 'threads' | 'flops' | 'bytes' | 'tokens' | 'executable' | 'rows'>
  readonly rival: Rival | null
  readonly rounds: readonly Round[]
  /** The same case on the fewest threads of the run; null where this is it. */
  readonly beside: { readonly threads: number; readonly rounds: readonly Round[] } | null
  readonly profile: boolean
}

/** How long the mode took to its first step; null where it does not run. */
export function readyMsOf({ modes }: PytorchReady, mode: PytorchMode): number | null {
  const state = modes[mode]
  return state !== undefined && 'readyMs' in state ? state.readyMs : null
}

/**
 * Times and rates are medians over all steps. Ratios and shares are taken within each round, and the median of the rounds
 * counts: a machine that changes its speed from one round to the next does so for all contenders.
 */
export function resultOf(measured: MeasuredCase): BenchResult {
  const { benchCase, precision, contender, rival, rounds, beside, profile } = measured
  const { backend, threads, flops, bytes, tokens, executable } = contender
  const { median, lowerQuartile, upperQuartile, count } = spreadOf(rounds.flatMap(({ times }) => times))
  const perSecond = (amount: number, milliseconds = median): number => (1e3 * amount) / milliseconds
  const peakOf = ({ peakFp32, peakBf16 }: CeilingRates): number => (precision === 'bf16' ? peakBf16! : peakFp32)
  const pass = benchCase.limit === 'peak' ? null : benchCase.limit
  const ceilings = ceilingsRecord(
    rounds.map(({ rates }) => rates),
    { backend, description: '', threads, withoutBf16: null },
  )
  const ofPeak = byRound(rounds, ({ rates }, ms) => perSecond(flops, ms) / peakOf(rates))
  const ofBandwidth =
    pass === null ? null : byRound(rounds, ({ rates }, ms) => perSecond(bytes!, ms) / rates.bandwidth[pass])
  const share = ofBandwidth ?? ofPeak
  const peak = precision === 'bf16' ? ceilings.peakBf16! : ceilings.peakFp32
  const modes = (rival?.modes ?? []).map((mode) => timesOfMode(rival!.ready, mode, rounds))
  const better = modes.toSorted((a, b) => a.medianMs - b.medianMs)[0]
  const ratio = better && byRound(rounds, ({ rivals }, ms) => quantile(rivals.get(better.mode)!, 0.5) / ms)
  const speedup = beside && byRound(rounds, (_, ms, k) => quantile(beside.rounds[k]!.times, 0.5) / ms)
  return {
    name: benchCase.name,
    description: benchCase.description,
    precision,
    backend,
    threads,
    medianMs: median,
    quartilesMs: [lowerQuartile, upperQuartile],
    steps: count,
    speedup: speedup && { over: beside.threads, ratio: speedup.median },
    flops,
    flopsPerSecond: perSecond(flops),
    peak,
    shareOfPeak: ofPeak.median,
    bytes,
    bytesPerSecond: bytes === null ? null : perSecond(bytes),
    bandwidthOf: pass,
    bandwidth: pass === null ? null : ceilings.bandwidths[pass],
    shareOfBandwidth: ofBandwidth && ofBandwidth.median,
    limit: pass === null ? 'peak' : 'bandwidth',
    shareQuartiles: [share.lowerQuartile, share.upperQuartile],
    tokensPerSecond: tokens === null ? null : perSecond(tokens),
    compileMs: executable.report.compileMilliseconds,
    arenaBytes: executable.report.arenaBytes,
    pytorchMs: better?.medianMs ?? null,
    pytorchMode: better?.mode ?? null,
    ratio: ratio?.median ?? null,
    ratioQuartiles: ratio ? [ratio.lowerQuartile, ratio.upperQuartile] : null,
    pytorch: modes,
    profile: profile ? contender.rows({ peak, bandwidth: ceilings.bandwidth }) : null,
  }
}

/** The spread of what `of` makes of each round and of the median of its times. */
function byRound(rounds: readonly Round[], of: (round: Round, milliseconds: number, k: number) => number): Spread {
  return spreadOf(rounds.map((round, k) => of(round, quantile(round.times, 0.5), k)))
}

function timesOfMode(ready: PytorchReady, mode: PytorchMode, rounds: readonly Round[]): BenchResult['pytorch'][number] {
  const spread = spreadOf(rounds.flatMap(({ rivals }) => rivals.get(mode)!))
  return {
    mode,
    medianMs: spread.median,
    quartilesMs: [spread.lowerQuartile, spread.upperQuartile],
    steps: spread.count,
    readyMs: readyMsOf(ready, mode)!,
  }
}
