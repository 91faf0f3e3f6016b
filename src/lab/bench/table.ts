/** The bench's results for people. */
import type { BenchRecord, BenchResult, CeilingsRecord } from '../../records/index.ts'

const GIGA = 1e9

/** Ceilings, one line a result beside its ceiling and PyTorch, and how to read it. */
export function renderBench({ machine, results }: BenchRecord): string {
  const withSpeedup = results.some(({ speedup }) => speedup !== null)
  const rows = results.map((result) => [...resultCells(result), ...(withSpeedup ? [speedupCell(result)] : [])])
  const head = withSpeedup ? [...HEAD, 'threads'] : HEAD
  const pytorch =
    machine.pytorch === null
      ? []
      : [`PyTorch ${machine.pytorch}; the ratio is its time over halflife's, with the quartiles of the rounds.`]
  return [
    `${machine.cpu}, Node ${machine.node}, halflife ${machine.halflife}`,
    ...[machine, ...machine.others].map(ceilingsLine),
    '',
    ...alignColumns([head, ...rows]),
    '',
    'Medians with quartiles. Of peak, of band: share of the ceiling measured in turn with the steps; of memory, that of the',
    'pass that reads and writes in the same proportion. Shares and ratios are taken within each round; their median counts.',
    ...pytorch,
    ...(withSpeedup ? ['Threads: how many times as fast as on the fewest threads of this run.'] : []),
  ].join('\n')
}

function ceilingsLine({ description, peakFp32, peakBf16, withoutBf16, bandwidths }: CeilingsRecord): string {
  const bf16 = peakBf16 === null ? `no bf16 (${withoutBf16})` : `bf16 ${giga(peakBf16)} Gflop/s`
  const memory = Object.entries(bandwidths).map(([name, rate]) => `${name} ${giga(rate)}`)
  return `${description}: fp32 ${giga(peakFp32)} Gflop/s, ${bf16}, memory ${memory.join(', ')} GB/s`
}

const HEAD = [
  'case',
  'step, ms',
  '(quartiles)',
  'Gflop/s',
  'of peak',
  'GB/s',
  'of band',
  'PyTorch, ms',
  'mode',
  'ratio',
  '(quartiles)',
]
/** Columns that are words, not numbers. */
const WORDS = new Set([0, 2, 8, 10])

function resultCells(result: BenchResult): string[] {
  const { name, precision, backend, threads, medianMs, quartilesMs, pytorchMs, pytorchMode, ratio, ratioQuartiles } =
    result
  const setting = [precision, backend, `${threads} thread${threads === 1 ? '' : 's'}`].join(', ')
  const byBandwidth = result.limit === 'bandwidth'
  return [
    `${name} (${setting})`,
    milliseconds(medianMs),
    `(${quartilesMs.map(milliseconds).join(' – ')})`,
    giga(result.flopsPerSecond),
    byBandwidth ? '–' : percent(result.shareOfPeak),
    byBandwidth ? giga(result.bytesPerSecond!) : '–',
    byBandwidth ? `${percent(result.shareOfBandwidth!)} (${result.bandwidthOf})` : '–',
    pytorchMs === null ? '–' : milliseconds(pytorchMs),
    pytorchMode ?? '–',
    ratio === null ? '–' : `${ratio.toFixed(2)} ×`,
    ratioQuartiles === null ? '–' : `(${ratioQuartiles.map((one) => one.toFixed(2)).join(' – ')})`,
  ]
}

function speedupCell({ speedup }: BenchResult): string {
  return speedup === null ? '–' : `${speedup.ratio.toFixed(2)} × ${speedup.over}`
}

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  return rows.map((row) =>
    row
      .map((cell, c) => (WORDS.has(c) ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** Four significant digits, without an exponent. */
function milliseconds(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)))
}

function giga(value: number): string {
  return (value / GIGA).toFixed(1)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}
