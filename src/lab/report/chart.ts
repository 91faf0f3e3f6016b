/** A chart: an SVG that scales with the page, its legend, one sentence on what to see, and its numbers as a table. */
import { escape, number } from './format.ts'
import { linearScale, logScale, type Scale } from './scale.ts'

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number | null])[]
  /** Place in the palette; or along a ramp from 0 to 1, for series in an order, such as layers. */
  readonly color: number | { readonly ramp: number }
  /** Default `line`; `dashed` is for what was foretold. */
  readonly kind?: 'line' | 'dashed' | 'dots'
  /** Left out of the legend, as one of many. */
  readonly unnamed?: boolean
  /** Names of single points, for those who point at them. */
  readonly labels?: readonly string[]
}

export interface Chart {
  readonly title: string
  readonly series: readonly Series[]
  /** Default `step`. */
  readonly xLabel?: string
  readonly yLabel: string
  /** Default linear. */
  readonly yScale?: 'linear' | 'log'
  readonly xScale?: 'linear' | 'log'
  /** How values on the y axis are written; default three digits. */
  readonly format?: (value: number) => string
  /** How the x axis names its places; default the number. */
  readonly xFormat?: (value: number) => string
  /** What a reader should look for, in a sentence or two. */
  readonly see: string
}

const WIDTH = 420
const HEIGHT = 250
const FRAME = { left: 62, right: 20, top: 12, bottom: 38 }
/** More points than this are not told apart at this size. */
const MOST_POINTS = 150
/** Rows of the table of numbers. */
const TABLE_ROWS = 12

/** HTML of the figure; a sentence in place of the plot where there is nothing to draw. */
export function renderChart(chart: Chart): string {
  const series = chart.series
    .map((one) => ({
      ...one,
      points: thinOut(
        one.points.filter(([, y]) => isDrawable(y, chart.yScale)),
        one.kind,
      ),
    }))
    .filter(({ points }) => points.length > 0)
  if (series.length === 0) return ''
  const scales = scalesOf(chart, series)
  return [
    '<figure class="chart">',
    `<h3>${escape(chart.title)}</h3>`,
    legend(series),
    '<div class="plot">',
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(`${chart.title}. ${chart.see}`)}">`,
    axes(chart, scales),
    ...series.map((one) => drawSeries(one, scales, chart)),
    '<line class="cursor" y1="0" y2="0"/>',
    '</svg><div class="tip" hidden></div>',
    `<script type="application/json">${hoverData(series, scales, chart)}</script>`,
    '</div>',
    `<figcaption>${escape(chart.see)}</figcaption>`,
    numbersTable(series, chart),
    '</figure>',
  ].join('\n')
}

function isDrawable(y: number | null, scale: Chart['yScale']): y is number {
  return y !== null && Number.isFinite(y) && (scale !== 'log' || y > 0)
}

/** Means of neighbours, where there are too many. */
function thinOut(points: Series['points'], kind: Series['kind']): Series['points'] {
  if (kind === 'dots' || points.length <= MOST_POINTS) return points
  const size = points.length / MOST_POINTS
  return Array.from({ length: MOST_POINTS }, (_, k) => {
    const bin = points.slice(Math.floor(k * size), Math.max(Math.floor(k * size) + 1, Math.floor((k + 1) * size)))
    const mean = (pick: 0 | 1): number => bin.reduce((sum, point) => sum + point[pick]!, 0) / bin.length
    return [Math.round(mean(0)), mean(1)] as const
  })
}

interface Scales {
  readonly x: Scale
  readonly y: Scale
}

function scalesOf(chart: Chart, series: readonly Series[]): Scales {
  const range = (pick: 0 | 1): readonly [number, number] => {
    let [least, most] = [Infinity, -Infinity]
    for (const { points } of series) {
      for (const point of points) {
        least = Math.min(least, point[pick]!)
        most = Math.max(most, point[pick]!)
      }
    }
    return [least, most]
  }
  return {
    x: chart.xScale === 'log' ? logScale(...range(0)) : linearScale(...range(0), { tight: true }),
    y: (chart.yScale === 'log' ? logScale : linearScale)(...range(1)),
  }
}

function placeX({ x }: Scales, value: number): number {
  return FRAME.left + x.at(value) * (WIDTH - FRAME.left - FRAME.right)
}
function placeY({ y }: Scales, value: number): number {
  return HEIGHT - FRAME.bottom - y.at(value) * (HEIGHT - FRAME.top - FRAME.bottom)
}

function axes({ xLabel = 'step', yLabel, format = number, xFormat = number }: Chart, scales: Scales): string {
  const bottom = HEIGHT - FRAME.bottom
  const right = WIDTH - FRAME.right
  const horizontal = scales.y.ticks.map((tick) => {
    const y = placeY(scales, tick).toFixed(1)
    return `<line class="grid" x1="${FRAME.left}" x2="${right}" y1="${y}" y2="${y}"/><text x="${FRAME.left - 6}" y="${y}" class="ytick">${escape(format(tick))}</text>`
  })
  const vertical = scales.x.ticks.map((tick) => {
    const x = placeX(scales, tick).toFixed(1)
    return `<text x="${x}" y="${bottom + 15}" class="xtick">${escape(xFormat(tick))}</text>`
  })
  return [
    ...horizontal,
    ...vertical,
    `<text x="${(FRAME.left + right) / 2}" y="${HEIGHT - 5}" class="label">${escape(xLabel)}</text>`,
    `<text x="11" y="${(FRAME.top + bottom) / 2}" class="label" transform="rotate(-90 11 ${(FRAME.top + bottom) / 2})">${escape(yLabel)}</text>`,
  ].join('\n')
}

function drawSeries({ name, points, color, kind = 'line', labels }: Series, scales: Scales, chart: Chart): string {
  const { format = number, xFormat = number } = chart
  const place = ([x, y]: Series['points'][number]) => [placeX(scales, x).toFixed(1), placeY(scales, y!).toFixed(1)]
  const look = paint(color)
  if (kind === 'dots') {
    const dots = points.map((point, k) => {
      const [x, y] = place(point)
      const label = labels?.[k] ?? `${name}, ${xFormat(point[0])}`
      return `<circle cx="${x}" cy="${y}" r="3"><title>${escape(`${label}: ${format(point[1]!)}`)}</title></circle>`
    })
    return `<g class="dots ${look.class}"${look.style}>${dots.join('')}</g>`
  }
  if (points.length === 1) {
    const [x, y] = place(points[0]!)
    return `<g class="dots ${look.class}"${look.style}><circle cx="${x}" cy="${y}" r="3"/></g>`
  }
  const path = points.map((point, k) => `${k === 0 ? 'M' : 'L'}${place(point).join(' ')}`).join('')
  return `<path class="${kind} ${look.class}"${look.style} d="${path}"><title>${escape(name)}</title></path>`
}

function paint(color: Series['color']): { class: string; style: string } {
  if (typeof color === 'number') return { class: `c${color % 8}`, style: '' }
  return { class: 'ramp', style: ` style="--t:${Math.round(100 * color.ramp)}%"` }
}

function legend(series: readonly Series[]): string {
  const named = series.filter(({ unnamed }) => unnamed !== true)
  if (named.length < 2 && named.every(({ kind }) => kind !== 'dashed')) return ''
  const items = named.map(({ name, color, kind = 'line' }) => {
    const look = paint(color)
    return `<li><span class="key ${kind} ${look.class}"${look.style}></span>${escape(name)}</li>`
  })
  return `<ul class="legend">${items.join('')}</ul>`
}

/** What the page's script needs to say which values stand above a place. Dots speak for themselves. */
function hoverData(series: readonly Series[], scales: Scales, { format = number, xLabel = 'step' }: Chart): string {
  const lines = series.filter(({ kind }) => kind !== 'dots')
  const data = {
    x: xLabel,
    series: lines.map(({ name, points, color }) => ({
      name,
      color: typeof color === 'number' ? `c${color % 8}` : 'ramp',
      points: points.map(([x, y]) => [Math.round(10 * placeX(scales, x)) / 10, x, format(y!)]),
    })),
  }
  // A closing tag inside a script element would end it.
  return JSON.stringify(data).replaceAll('<', String.raw`\u003c`)
}

/** The values at some places, for readers who cannot see the plot and for those who want to copy them. */
function numbersTable(series: readonly Series[], chart: Chart): string {
  const { format = number, xLabel = 'step', xFormat = number } = chart
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].toSorted((a, b) => a - b)
  const shown = places.filter((_, k) => {
    const every = Math.max(1, Math.ceil((places.length - 1) / (TABLE_ROWS - 1)))
    return k % every === 0 || k === places.length - 1
  })
  const columns = series.map(({ points }) => new Map(points))
  const head = [xLabel, ...series.map(({ name }) => name)].map((title) => `<th scope="col">${escape(title)}</th>`)
  const rows = shown.map((x) => {
    const cells = columns.map((column) => {
      const value = column.get(x)
      return `<td>${value === undefined || value === null ? '' : escape(format(value))}</td>`
    })
    return `<tr><th scope="row">${escape(xFormat(x))}</th>${cells.join('')}</tr>`
  })
  return `<details><summary>Numbers</summary><div class="scroll"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`
}
