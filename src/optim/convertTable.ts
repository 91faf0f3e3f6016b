/** A weight decay by its names in other frameworks, as text for people. */
import { decayConventions, type Conversion } from './convert.ts'
import type { DecayConventionName } from './convertRows.ts'
import type { RenderOptions } from './ledgerTable.ts'
import { painter, percent, short, textTable, wrapText, type TextColumn } from './textTable.ts'

export interface NamedConversion {
  readonly to: DecayConventionName
  readonly conversion: Conversion
}

const COLUMNS: readonly TextColumn<NamedConversion>[] = [
  { title: 'framework', align: 'left', keep: 5, cell: ({ to }) => to },
  {
    title: 'λ',
    align: 'right',
    keep: 5,
    cell: ({ conversion: { weightDecay } }) => (weightDecay === null ? 'none' : short(weightDecay)),
  },
  {
    title: 'equal',
    align: 'left',
    keep: 4,
    cell: ({ conversion: { weightDecay, exact } }) => {
      if (weightDecay === null) return '–'
      return exact ? 'in every step' : 'over the run'
    },
  },
  { title: 'is asked for by', align: 'left', keep: 2, cell: ({ to }) => decayConventions[to].call },
]

const SURVIVES: TextColumn<NamedConversion> = {
  title: 'survives',
  align: 'right',
  keep: 3,
  cell: ({ conversion: { survival } }) => (survival.to === null ? '–' : percent(survival.to)),
}

export interface RenderConversionsOptions extends RenderOptions {
  /** Where λ comes from. */
  readonly from: DecayConventionName
  /** Show what is left of the initial weights, which needs the length of a run to mean something. */
  readonly survival: boolean
}

/** The table, then what to know of each framework in it; without a final newline. Pure. */
export function renderConversions(
  conversions: readonly NamedConversion[],
  { color = false, width = 80, from, survival }: RenderConversionsOptions,
): string {
  const paint = painter(color)
  const columns = survival ? [...COLUMNS.slice(0, 3), SURVIVES, ...COLUMNS.slice(3)] : COLUMNS
  const { header, line } = textTable(columns, conversions, width)
  const caveats = [...new Set([from, ...conversions.map(({ to }) => to)])].flatMap((name) => {
    const { caveat } = decayConventions[name]
    return caveat === '' ? [] : [`${name}: ${caveat}`]
  })
  return [
    paint.dim(header),
    ...conversions.map(line),
    ...(caveats.length === 0 ? [] : ['', ...caveats.flatMap((text) => wrapText(text, width).map(paint.dim))]),
  ]
    .map((text) => text.trimEnd())
    .join('\n')
}
