/** The ledger and the last look as tables. */
import type { LedgerRecord, LookLine } from '../../records/index.ts'
import { degrees, escape, number, percent } from './format.ts'

interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  /** Words stand left, numbers right. */
  readonly words?: boolean
}

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const side = (column: Column<Row>): string => (column.words === true ? ' class="words"' : '')
  const head = columns.map((column) => `<th scope="col"${side(column)}>${escape(column.title)}</th>`).join('')
  const body = rows.map((row) => {
    const cells = columns.map((column, k) => {
      const text = escape(column.cell(row))
      return k === 0 ? `<th scope="row">${text}</th>` : `<td${side(column)}>${text}</td>`
    })
    return `<tr>${cells.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

type Entry = LedgerRecord['entries'][number]

const LEDGER: readonly Column<Entry>[] = [
  { title: 'tensor', words: true, cell: ({ name, aliases }) => [name, ...aliases].join(' = ') },
  { title: 'role', words: true, cell: ({ role }) => role },
  { title: 'shape', cell: ({ shape }) => shape.join(' × ') || '1' },
  { title: 'λ', cell: ({ weightDecay }) => (weightDecay === 0 ? '–' : number(weightDecay)) },
  { title: 'form', words: true, cell: ({ form }) => form ?? '–' },
  { title: 'half-life, steps', cell: ({ halfLifeSteps }) => number(halfLifeSteps) },
  { title: 'timescale / run', cell: ({ timescaleShare }) => number(timescaleShare ?? null) },
  { title: 'survives the run', cell: ({ survival }) => percent(survival) },
  { title: 'RMS in balance, at the peak', cell: ({ equilibriumRmsExact }) => number(equilibriumRmsExact ?? null) },
  { title: 'because', words: true, cell: ({ reason }) => reason },
]

/** Every tensor with its decay and the rule behind it. */
export function ledgerTable({ entries }: LedgerRecord): string {
  return table(LEDGER, entries)
}

type Row = readonly [name: string, force: LookLine['tensors'][string]]

const FORCES: readonly Column<Row>[] = [
  { title: 'tensor', words: true, cell: ([name]) => name },
  { title: '‖w‖', cell: ([, { norm }]) => number(norm) },
  { title: 'RMS', cell: ([, { rms }]) => number(rms) },
  { title: 'RMS in balance', cell: ([, { equilibriumRms }]) => number(equilibriumRms) },
  { title: '‖gradient part‖', cell: ([, { gradientPart }]) => number(gradientPart) },
  { title: '‖decay part‖', cell: ([, { decayPart }]) => number(decayPart) },
  { title: 'decay’s share', cell: ([, { decayShare }]) => percent(decayShare) },
  { title: 'angle', cell: ([, { angle }]) => degrees(angle) },
  { title: 'decay takes', cell: ([, { shrink }]) => percent(shrink) },
  { title: '‖u‖/‖w‖', cell: ([, { updateRatio }]) => number(updateRatio) },
  { title: 'rotation', cell: ([, { rotation }]) => degrees(rotation) },
  { title: 'rotation in balance', cell: ([, { equilibriumRotation }]) => degrees(equilibriumRotation) },
]

/** Every tensor of a look. */
export function tensorTable({ tensors }: LookLine): string {
  return table(FORCES, Object.entries(tensors))
}
