/** The erased-token view: rows of the token table by how often their token was seen, and how they shrank. */
import type { LookLine } from '../../records/index.ts'
import type { Chart, Series } from './chart.ts'
import { number, tokenText } from './format.ts'
import type { RunNumbers, TokenTable } from './run.ts'

/** More dots than this are not told apart; the extremes are kept. */
const MOST_DOTS = 800

export function tokenCharts({ looks, tokenTables }: RunNumbers): Chart[] {
  const names = looks.at(-1)?.tokens.tables.map(({ name }) => name) ?? []
  return names.flatMap((name) => {
    const rows = tokenTables.find((table) => table.name === name)
    return rows ? [scatter(rows), overTime(name, looks)] : [overTime(name, looks)]
  })
}

/** Each row of the last checkpoint. Tokens never seen stand left of those seen once, since a logarithm has no place for 0. */
function scatter(table: TokenTable): Chart {
  const place = (seen: number): number => (seen === 0 ? UNSEEN : seen)
  const rows = table.rows.filter(({ ratio }) => ratio !== null && ratio > 0)
  const shown = thinned(rows)
  const most = Math.max(1, ...rows.map(({ seen }) => seen))
  const survival = table.survival
  return {
    title: `${table.name}: rows by tokens seen`,
    xLabel: 'times seen as an input',
    xScale: 'log',
    xFormat: (value) => (value < 1 ? 'never' : number(value)),
    yLabel: `‖row‖ / ‖row after step ${table.since}‖`,
    yScale: 'log',
    series: [
      {
        name: 'a row',
        kind: 'dots',
        color: 0,
        points: shown.map(({ seen, ratio }) => [place(seen), ratio]),
        labels: shown.map(({ text, id, seen }) => `${tokenText(text, id)}, seen ${number(seen)} times`),
      },
      ...(survival === null
        ? []
        : [
            {
              name: `decay alone leaves ${number(survival)}`,
              kind: 'dashed' as const,
              color: 1,
              points: [[UNSEEN, survival] as const, [most, survival] as const],
            },
          ]),
    ],
    see: verdict(table),
  }
}

/** Half of once, where `never` stands. */
const UNSEEN = 0.5

function thinned(rows: TokenTable['rows']): TokenTable['rows'] {
  if (rows.length <= MOST_DOTS) return rows
  const sorted = rows.toSorted((a, b) => a.ratio! - b.ratio!)
  return Array.from({ length: MOST_DOTS }, (_, k) => sorted[Math.round((k * (sorted.length - 1)) / (MOST_DOTS - 1))]!)
}

function verdict({ rows, survival, tied }: TokenTable): string {
  const never = rows.filter(({ seen, ratio }) => seen === 0 && ratio !== null).map(({ ratio }) => ratio!)
  const count = `${number(never.length)} of ${number(rows.length)} rows were never seen`
  const mean = never.length === 0 ? null : never.reduce((sum, ratio) => sum + ratio, 0) / never.length
  const found =
    mean === null
      ? 'Every token was seen.'
      : `${count}; on average they are at ${number(mean)} of their first size${survival === null ? '' : `, where decay alone leaves ${number(survival)}`}.`
  const why = tied
    ? ' The output layer is this same table, and pushes the rows of absent tokens in every step, so they are not left to decay alone.'
    : ''
  return `${found}${why}`
}

/** Groups of rows from look to look. */
function overTime(name: string, looks: RunNumbers['looks']): Chart {
  const tableAt = (look: LookLine) => look.tokens.tables.find((table) => table.name === name)
  const froms = [...new Set(looks.flatMap((look) => tableAt(look)?.groups.map(({ from }) => from) ?? []))]
  const groups = froms
    .toSorted((a, b) => a - b)
    .map((from, k, all): Series => {
      const points = looks.map((look) => {
        return [look.step, tableAt(look)?.groups.find((group) => group.from === from)?.ratio ?? null] as const
      })
      const title =
        from === 0 ? 'never seen' : from === 1 ? 'seen 1 to 9 times' : `${number(from)} to ${number(from * 10 - 1)}`
      return { name: title, points, color: { ramp: all.length === 1 ? 1 : k / (all.length - 1) } }
    })
  const survival = looks.map((look) => [look.step, tableAt(look)?.survival ?? null] as const)
  return {
    title: `${name}: size by tokens seen so far`,
    yLabel: 'of the first size',
    yScale: 'log',
    series: [...groups, { name: 'decay alone', points: survival, color: 1, kind: 'dashed' }],
    see: 'Rows move to the next group as their token is seen again. A line that follows the dashed one is shaped by decay alone.',
  }
}
