/** The ledger tensor by tensor, as a table for people. */
import type { Ledger, LedgerEntry } from './ledger.ts'
import { percent, short, textTable, whole, type TextColumn } from './textTable.ts'

const COLUMNS: readonly TextColumn<LedgerEntry>[] = [
  { title: 'tensor', align: 'left', keep: 5, cell: ({ name, aliases }) => [name, ...aliases].join(' = ') },
  { title: 'shape', align: 'left', keep: 5, cell: ({ shape }) => `[${shape.join(', ')}]` },
  { title: 'role', align: 'left', keep: 5, cell: ({ role }) => role },
  { title: 'λ', align: 'right', keep: 5, cell: ({ weightDecay }) => (weightDecay === 0 ? '–' : short(weightDecay)) },
  { title: 'half-life', align: 'right', keep: 5, cell: (entry) => steps(entry, entry.halfLifeSteps) },
  { title: 'timescale', align: 'right', keep: 5, cell: (entry) => steps(entry, entry.timescaleSteps) },
  { title: 'of the run', align: 'right', keep: 5, cell: (entry) => shareOf(entry) },
  {
    title: 'survives',
    align: 'right',
    keep: 5,
    cell: ({ survival }) => (survival === null ? '?' : percent(survival)),
  },
  {
    title: 'settles at RMS',
    align: 'right',
    keep: 5,
    cell: ({ equilibriumRms }) => (equilibriumRms === null ? '–' : short(equilibriumRms, 3)),
  },
  { title: 'because', align: 'left', keep: 5, cell: ({ reason }) => reason },
]

/** Only where some tensor's learning rate has a multiplier or the optimizer's own factor. */
const RATE: TextColumn<LedgerEntry> = {
  title: 'lr ×',
  align: 'right',
  keep: 5,
  cell: ({ learningRateMultiplier, learningRateFactor }) => short(learningRateMultiplier * learningRateFactor),
}

/** One line for each tensor, as wide as it is, without a final newline. Times are in steps, at the peak. Pure. */
export function renderTensors({ entries }: Ledger): string {
  const scaled = entries.some((entry) => entry.learningRateMultiplier * entry.learningRateFactor !== 1)
  const columns = scaled ? [...COLUMNS.slice(0, 4), RATE, ...COLUMNS.slice(4)] : COLUMNS
  const { header, line } = textTable(columns, entries, Infinity)
  return [header, ...entries.map(line)].map((text) => text.trimEnd()).join('\n')
}

/** `?` where λ acts but nothing tells how fast. */
function steps({ survival }: LedgerEntry, count: number | null): string {
  if (count === null) return survival === null ? '?' : '–'
  return count < 10 ? count.toFixed(2) : whole(count)
}

function shareOf({ timescaleShare, survival }: LedgerEntry): string {
  if (timescaleShare === null) return survival === null ? '?' : '–'
  return percent(timescaleShare)
}
