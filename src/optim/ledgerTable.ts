/** The ledger as a table for people, printed at the start of a run. */
import type { Ledger, LedgerRole } from './ledger.ts'
import { painter, percent, short, textTable, whole, wrapText, type TextColumn } from './textTable.ts'

export interface RenderOptions {
  /** ANSI colours; default false. */
  readonly color?: boolean
  /** Columns of the terminal; default 80. Columns of least use are left out when it is narrower than the table. */
  readonly width?: number
}

interface TableRow {
  readonly label: string
  readonly tensors: number
  readonly parameters: number
  readonly decay?: LedgerRole
}

const COLUMNS: readonly TextColumn<TableRow>[] = [
  { title: 'role', align: 'left', keep: 5, cell: (row) => row.label },
  { title: 'tensors', align: 'right', keep: 1, cell: (row) => whole(row.tensors) },
  { title: 'parameters', align: 'right', keep: 4, cell: (row) => whole(row.parameters) },
  {
    title: 'λ',
    align: 'right',
    keep: 5,
    cell: ({ decay }) => (decay === undefined ? '' : lambda(decay.weightDecay)),
  },
  {
    title: 'half-life (steps)',
    align: 'right',
    keep: 2,
    cell: ({ decay }) => (decay === undefined ? '' : halfLife(decay)),
  },
  {
    title: 'survives the run',
    align: 'right',
    keep: 3,
    cell: ({ decay }) => (decay === undefined ? '' : decay.survival === null ? '?' : percent(decay.survival)),
  },
]

/** Only where some tensor's learning rate has a multiplier. */
const MULTIPLIER: TextColumn<TableRow> = {
  title: 'lr ×',
  align: 'right',
  keep: 4,
  cell: ({ decay }) => (decay === undefined ? '' : short(learningRateScale(decay))),
}

/** Only where some tensor's λ has a schedule. */
const SCHEDULE: TextColumn<TableRow> = {
  title: 'λ over time',
  align: 'left',
  keep: 3,
  cell: ({ decay }) => (decay === undefined || decay.weightDecay === 0 ? '' : (decay.decaySchedule ?? 'constant')),
}

function learningRateScale({ learningRateMultiplier, learningRateFactor }: LedgerRole): number {
  return learningRateMultiplier * learningRateFactor
}

/** The table as text without a final newline. Pure. */
export function renderLedger(ledger: Ledger, { color = false, width = 80 }: RenderOptions = {}): string {
  const paint = painter(color)
  const rows: TableRow[] = ledger.roles.map((row) => ({ ...row, label: row.role, decay: row }))
  const totals: TableRow[] = [
    { label: 'decayed', ...ledger.totals.decayed },
    { label: 'not decayed', ...ledger.totals.undecayed },
  ]
  const scaled = ledger.roles.some((role) => learningRateScale(role) !== 1)
  const scheduled = ledger.roles.some(({ decaySchedule }) => decaySchedule !== null)
  const extra = [...(scheduled ? [SCHEDULE] : []), ...(scaled ? [MULTIPLIER] : [])]
  const columns = [...COLUMNS.slice(0, 4), ...extra, ...COLUMNS.slice(4)]
  const { header, line } = textTable(columns, [...rows, ...totals], width)
  return [
    ...wrapText(heading(ledger), width).map((text, index) => (index === 0 ? paint.bold(text) : text)),
    paint.dim(header),
    ...rows.map((row) => ((row.decay?.weightDecay ?? 0) > 0 ? line(row) : paint.dim(line(row)))),
    paint.dim('─'.repeat(header.length)),
    ...totals.map(line),
    ...warnings(ledger).flatMap((text) => wrapText(text, width).map(paint.warn)),
  ]
    .map((text) => text.trimEnd())
    .join('\n')
}

function heading(ledger: Ledger): string {
  const { policy, form, weightDecay, learningRate, steps } = ledger
  const how = form === 'decoupled' ? '' : `, form ${form}`
  return (
    `Weight decay: policy ${policy}${how}, λ ${lambda(weightDecay)}, ` +
    `peak learning rate ${short(learningRate.peak)}, ${whole(steps)} steps`
  )
}

function warnings({ entries, form }: Ledger): string[] {
  const strongest = entries.reduce((most, { timescaleSteps }) => Math.max(most, 1 / (timescaleSteps ?? Infinity)), 0)
  if (strongest < 1) return []
  const product = form === 'decoupled' ? `lr · λ = ${short(strongest)}` : `the share ${short(strongest)} that it takes`
  return [`Each step at the peak multiplies decayed weights by ${short(1 - strongest)}: ${product} is 1 or more.`]
}

function lambda(value: number): string {
  return value === 0 ? '–' : short(value)
}

/** `?` where λ acts but the form of the decay does not tell how fast. */
function halfLife({ halfLifeSteps, survival }: LedgerRole): string {
  if (halfLifeSteps === null) return survival === null ? '?' : '–'
  return halfLifeSteps < 10 ? halfLifeSteps.toFixed(2) : whole(halfLifeSteps)
}
