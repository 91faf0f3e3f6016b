/** The ledger as a table for people, printed at the start of a run. */
import type { Ledger, LedgerRole } from './ledger.ts'

export interface RenderOptions {
  /** ANSI colours; default false. */
  readonly color?: boolean
  /** Columns of the terminal; default 80. Columns of least use are left out when it is narrower than the table. */
  readonly width?: number
}

/** One cell per column and role; `keep` says which columns stay longest on a narrow terminal. */
interface Column {
  readonly title: string
  readonly align: 'left' | 'right'
  readonly keep: number
  readonly cell: (row: TableRow) => string
}

interface TableRow {
  readonly label: string
  readonly tensors: number
  readonly parameters: number
  readonly decay?: Pick<LedgerRole, 'weightDecay' | 'halfLifeSteps' | 'survival'>
}

const COLUMNS: readonly Column[] = [
  { title: 'role', align: 'left', keep: 5, cell: (row) => row.label },
  { title: 'tensors', align: 'right', keep: 1, cell: (row) => whole(row.tensors) },
  { title: 'parameters', align: 'right', keep: 4, cell: (row) => whole(row.parameters) },
  {
    title: 'λ',
    align: 'right',
    keep: 5,
    cell: (row) => (row.decay === undefined ? '' : lambda(row.decay.weightDecay)),
  },
  {
    title: 'half-life (steps)',
    align: 'right',
    keep: 2,
    cell: (row) => (row.decay === undefined ? '' : halfLife(row.decay.halfLifeSteps)),
  },
  {
    title: 'survives the run',
    align: 'right',
    keep: 3,
    cell: (row) => (row.decay === undefined ? '' : percent(row.decay.survival)),
  },
]
const GAP = '  '

/** The table as text without a final newline. Pure. */
export function renderLedger(ledger: Ledger, { color = false, width = 80 }: RenderOptions = {}): string {
  const paint = painter(color)
  const rows: TableRow[] = ledger.roles.map((row) => ({ ...row, label: row.role, decay: row }))
  const totals: TableRow[] = [
    { label: 'decayed', ...ledger.totals.decayed },
    { label: 'not decayed', ...ledger.totals.undecayed },
  ]
  const columns = fit([...rows, ...totals], width)
  const line = (row: TableRow): string =>
    columns.map(({ column, size }) => pad(column.cell(row), size, column)).join(GAP)
  const header = columns.map(({ column, size }) => pad(column.title, size, column)).join(GAP)
  return [
    ...wrap(heading(ledger), width).map((text, index) => (index === 0 ? paint.bold(text) : text)),
    paint.dim(header),
    ...rows.map((row) => ((row.decay?.weightDecay ?? 0) > 0 ? line(row) : paint.dim(line(row)))),
    paint.dim('─'.repeat(header.length)),
    ...totals.map(line),
    ...warnings(ledger).flatMap((text) => wrap(text, width).map(paint.warn)),
  ]
    .map((text) => text.trimEnd())
    .join('\n')
}

function heading(ledger: Ledger): string {
  const { policy, weightDecay, learningRate, steps } = ledger
  return `Weight decay: policy ${policy}, λ ${lambda(weightDecay)}, peak learning rate ${short(learningRate.peak)}, ${whole(steps)} steps`
}

function warnings(ledger: Ledger): string[] {
  const strongest = ledger.entries.reduce((most, entry) => Math.max(most, entry.weightDecay), 0)
  const perStep = ledger.learningRate.peak * strongest
  if (perStep < 1) return []
  return [
    `Each step at the peak multiplies decayed weights by ${short(1 - perStep)}: lr · λ = ${short(perStep)} is 1 or more.`,
  ]
}

/** Leaves out the least useful columns until the table fits; the last two always stay. */
function fit(rows: readonly TableRow[], width: number): { column: Column; size: number }[] {
  let columns = COLUMNS.map((column) => {
    const cells = [column.title, ...rows.map((row) => column.cell(row))]
    return { column, size: Math.max(...cells.map((cell) => cell.length)) }
  })
  const total = (): number => columns.reduce((sum, { size }) => sum + size + GAP.length, -GAP.length)
  while (total() > width && columns.length > 2) {
    const least = Math.min(...columns.map(({ column }) => column.keep))
    columns = columns.filter(({ column }) => column.keep !== least)
  }
  return columns
}

function pad(text: string, size: number, column: Column): string {
  return column.align === 'left' ? text.padEnd(size) : text.padStart(size)
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

function painter(color: boolean): Record<'bold' | 'dim' | 'warn', (text: string) => string> {
  const ansi = (open: number, close: number) => (text: string) =>
    color ? `\u001B[${open}m${text}\u001B[${close}m` : text
  return { bold: ansi(1, 22), dim: ansi(2, 22), warn: ansi(33, 39) }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}

function lambda(value: number): string {
  return value === 0 ? '–' : short(value)
}

function halfLife(steps: number | null): string {
  if (steps === null) return '–'
  return steps < 10 ? steps.toFixed(2) : whole(steps)
}

/** 0.896 -> "89.6 %", 2.5e-9 -> "2.5e-7 %". */
function percent(share: number): string {
  const value = share * 100
  if (share === 0 || Math.abs(value) >= 0.05) return `${share === 1 ? '100' : value.toFixed(1)} %`
  return `${value.toExponential(1)} %`
}
