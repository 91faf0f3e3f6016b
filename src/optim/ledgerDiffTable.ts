/** A comparison of two ledgers as a table for people: who changes sides, and the rule on each side. */
import type { LedgerChange, LedgerDiff, LedgerSide } from './ledgerDiff.ts'
import type { RenderOptions } from './ledgerTable.ts'
import { painter, short, textTable, whole, wrapText, type TextColumn } from './textTable.ts'

/** Tensors that differ in a layer's number alone and change alike share a row: `h.*.ln_1.weight` ×12. */
interface DiffRow {
  readonly pattern: string
  readonly tensors: number
  readonly parameters: number
  readonly change: LedgerChange
}

/** The comparison as text without a final newline. Pure. */
export function renderLedgerDiff(diff: LedgerDiff, { color = false, width = 80 }: RenderOptions = {}): string {
  const paint = painter(color)
  const lines = wrapText(`Weight decay: from ${diff.before} to ${diff.after}`, width).map(paint.bold)
  const sections: readonly (readonly [string, readonly LedgerChange[], readonly (keyof LedgerSide)[]])[] = [
    [`decays in ${diff.after} only`, diff.startDecaying, ['weightDecay', 'reason']],
    [`decays in ${diff.before} only`, diff.stopDecaying, ['weightDecay', 'reason']],
    ['decays in both, with another λ', diff.otherWeightDecay, ['weightDecay', 'reason']],
    ['decays in both, by another form', diff.otherForm, ['form']],
    ['decays in both, on another schedule', diff.otherSchedule, ['decaySchedule']],
    ['learns at another rate', diff.otherLearningRate, ['learningRateMultiplier']],
  ]
  for (const [title, changes, shown] of sections) {
    if (changes.length === 0) continue
    const rows = groupLayers(changes)
    const { header, line } = textTable(columnsFor(shown), rows, width)
    const heading = wrapText(`${title}: ${extent(changes)}`, width).map(paint.bold)
    lines.push('', ...heading, paint.dim(header), ...rows.map(line))
    if (shown.includes('reason')) lines.push(...reasons(rows, diff).flatMap((text) => wrapIndented(text, width)))
  }
  const only = [onlyIn(diff.before, diff.onlyBefore), onlyIn(diff.after, diff.onlyAfter)].filter((text) => text !== '')
  if (sections.every(([, changes]) => changes.length === 0)) {
    const alike =
      only.length === 0 ? 'The same tensors decay, with the same λ.' : 'The tensors that both have decay alike.'
    lines.push(...wrapText(alike, width))
  }
  if (only.length > 0) lines.push('', ...only.flatMap((text) => wrapText(text, width)))
  return lines.map((line) => line.trimEnd()).join('\n')
}

function columnsFor(shown: readonly (keyof LedgerSide)[]): readonly TextColumn<DiffRow>[] {
  const value = shown[0] ?? 'weightDecay'
  return [
    { title: 'tensor', align: 'left', keep: 5, cell: (row) => named(row) },
    { title: 'role', align: 'left', keep: 1, cell: ({ change }) => change.role },
    { title: 'parameters', align: 'right', keep: 2, cell: (row) => whole(row.parameters) },
    { title: TITLES[value], align: 'right', keep: 5, cell: ({ change }) => movement(change, value) },
  ]
}

const TITLES: Readonly<Record<keyof LedgerSide, string>> = {
  weightDecay: 'λ',
  reason: 'rule',
  learningRateMultiplier: 'lr ×',
  form: 'form',
  decaySchedule: 'λ over time',
}

function movement({ before, after }: LedgerChange, key: keyof LedgerSide): string {
  if (key === 'decaySchedule') return `${before[key] ?? 'constant'} → ${after[key] ?? 'constant'}`
  return `${show(before[key])} → ${show(after[key])}`
}

function show(value: LedgerSide[keyof LedgerSide]): string {
  if (value === null || value === 0) return '–'
  return typeof value === 'number' ? short(value) : value
}

function named({ pattern, tensors }: DiffRow): string {
  return tensors === 1 ? pattern : `${pattern} ×${tensors}`
}

function groupLayers(changes: readonly LedgerChange[]): DiffRow[] {
  const rows = new Map<string, LedgerChange[]>()
  for (const item of changes) {
    const pattern = item.name.replaceAll(/(^|\.)\d+(?=\.|$)/g, '$1*')
    const key = JSON.stringify([pattern, item.role, item.before, item.after])
    rows.set(key, [...(rows.get(key) ?? []), item])
  }
  return [...rows].flatMap(([key, members]) => {
    const [first] = members
    if (first === undefined) return []
    const [pattern] = JSON.parse(key) as [string]
    return [
      {
        pattern: members.length === 1 ? first.name : pattern,
        tensors: members.length,
        parameters: members.reduce((sum, { parameters }) => sum + parameters, 0),
        change: first,
      },
    ]
  })
}

/** Each pair of rules once, as a sentence under the table: they are too long for columns. */
function reasons(rows: readonly DiffRow[], { before, after }: LedgerDiff): string[] {
  const pairs = new Map<string, string[]>()
  for (const row of rows) {
    const text = `${before}: ${row.change.before.reason}; ${after}: ${row.change.after.reason}`
    pairs.set(text, [...(pairs.get(text) ?? []), row.pattern])
  }
  if (pairs.size === 1) return [...pairs.keys()]
  return [...pairs].map(([text, patterns]) => `${patterns.join(', ')}: ${text}`)
}

function wrapIndented(text: string, width: number): string[] {
  return wrapText(text, width - 2).map((line) => `  ${line}`)
}

function extent(changes: readonly LedgerChange[]): string {
  const parameters = changes.reduce((sum, change) => sum + change.parameters, 0)
  return `${changes.length} tensor${changes.length === 1 ? '' : 's'}, ${whole(parameters)} parameters`
}

const NAMES_SHOWN = 4

function onlyIn(side: string, names: readonly string[]): string {
  if (names.length === 0) return ''
  const shown = names.slice(0, NAMES_SHOWN).join(', ') + (names.length > NAMES_SHOWN ? ', …' : '')
  return `Only ${side} has ${names.length} tensor${names.length === 1 ? '' : 's'} (${shown}).`
}
