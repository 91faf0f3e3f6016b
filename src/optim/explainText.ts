/** An explanation as text for people. */
import type { ExplainedGroup, Explanation } from './explain.ts'
import type { RenderOptions } from './ledgerTable.ts'
import type { Suggestion } from './suggest.ts'
import { painter, percent, short, textTable, whole, wrapText, type TextColumn } from './textTable.ts'

/** The explanation as text without a final newline: the numbers, the rules' λ, the verdict, what is left out. Pure. */
export function renderExplanation(explanation: Explanation, { color = false, width = 80 }: RenderOptions = {}): string {
  const paint = painter(color)
  const facts = factsOf(explanation)
  const size = Math.max(...facts.map(([name]) => name.length))
  const lines = facts.flatMap(([name, value]) => {
    return wrapText(value, width - size - 2).map((text, index) => {
      return `${paint.dim((index === 0 ? name : '').padEnd(size))}  ${text}`
    })
  })
  return [
    ...lines,
    ...groupTable(explanation.groups, width, paint.dim),
    ...suggestionTable(explanation.suggestions, width, paint),
    '',
    ...wrapText(explanation.verdict, width).map(paint.bold),
    '',
    ...explanation.notes.flatMap((note) => wrapText(note, width).map(paint.dim)),
  ]
    .map((line) => line.trimEnd())
    .join('\n')
}

function factsOf(explanation: Explanation): (readonly [string, string])[] {
  const { parameters, learningRate, tokensPerParameter, epochs } = explanation
  const rates = `${short(learningRate.peak)} at the peak, ${short(learningRate.last)} at the end`
  return [
    [
      'Weight decay',
      `λ ${short(explanation.weightDecay)}, ${explanation.form}, policy ${explanation.policy}: ` +
        `${whole(parameters.decayed)} of ${whole(parameters.total)} parameters`,
    ],
    ['Learning rate', rates],
    ['Run', runText(explanation)],
    ['Survives the run', survivalText(explanation)],
    ['Half-life', stepsText(explanation.halfLifeSteps)],
    ['Timescale', timescaleText(explanation)],
    ['Equilibrium RMS', equilibriumText(explanation)],
    [
      'Tokens per parameter',
      tokensPerParameter === null
        ? 'unknown'
        : short(tokensPerParameter, 3) + (epochs === null ? '' : `; the text is read ${short(epochs, 3)} times`),
    ],
  ]
}

function runText({ steps, tokensPerStep }: Explanation): string {
  return tokensPerStep === null
    ? `${whole(steps)} steps`
    : `${whole(steps)} steps of ${whole(tokensPerStep)} tokens: ${whole(steps * tokensPerStep)} tokens`
}

function survivalText({ survival, sumLrDecay, form }: Explanation): string {
  if (survival === null) return UNKNOWN
  const sum =
    sumLrDecay === null ? '' : ` (${form === 'decoupled' ? 'Σ lr·λ' : 'sum of the decay'} = ${short(sumLrDecay)})`
  return `${percent(survival)} of the initial weights${sum}`
}

const UNKNOWN = 'not foretold for this form of decay'

function stepsText(steps: number | null): string {
  return steps === null ? '–' : `${whole(steps)} steps at the peak`
}

function timescaleText({ timescaleSteps, timescaleTokens, timescaleShare }: Explanation): string {
  if (timescaleSteps === null || timescaleShare === null) return '–'
  const tokens = timescaleTokens === null ? '' : `, ${whole(timescaleTokens)} tokens`
  const share =
    timescaleShare >= 1 ? `${short(timescaleShare, 3)} times the run` : `${percent(timescaleShare)} of the run`
  return `${whole(timescaleSteps)} steps at the peak${tokens}: ${share}`
}

function equilibriumText({ equilibriumRms, equilibriumRmsExact, initialRms }: Explanation): string {
  if (equilibriumRms === null || equilibriumRmsExact === null) return '–'
  const start = initialRms === null ? '' : `; the weights start at ${short(initialRms, 3)}`
  return `${short(equilibriumRms, 3)} at the peak (${short(equilibriumRmsExact)} with momentum)${start}`
}

const GROUP_COLUMNS: readonly TextColumn<ExplainedGroup>[] = [
  { title: 'λ', align: 'right', keep: 5, cell: ({ weightDecay }) => short(weightDecay) },
  { title: 'lr ×', align: 'right', keep: 3, cell: (group) => short(group.learningRateMultiplier) },
  { title: 'parameters', align: 'right', keep: 2, cell: ({ parameters }) => whole(parameters) },
  {
    title: 'survives',
    align: 'right',
    keep: 5,
    cell: ({ survival }) => (survival === null ? '?' : percent(survival)),
  },
  {
    title: 'RMS at first',
    align: 'right',
    keep: 1,
    cell: (group) => short(group.initialRms, 3),
  },
  {
    title: 'in equilibrium',
    align: 'right',
    keep: 1,
    cell: ({ equilibriumRms }) => (equilibriumRms === null ? '–' : short(equilibriumRms, 3)),
  },
  { title: 'roles', align: 'left', keep: 4, cell: ({ roles }) => roles.join(', ') },
]

/** Only where there is more than one group; the facts above are those of the largest. */
function groupTable(groups: readonly ExplainedGroup[], width: number, dim: (text: string) => string): string[] {
  if (groups.length < 2) return []
  const { header, line } = textTable(GROUP_COLUMNS, groups, width)
  const title = wrapText('All that decays (above: the largest group)', width)
  return ['', ...title, dim(header), ...groups.map(line)]
}

const RULES: Readonly<Record<Suggestion['rule'], string>> = {
  'power-lines': 'Power Lines',
  'ema-run': 'EMA, at least',
  'ema-epoch': 'EMA, at most',
  'quarter-run': 'a quarter of the run',
}

const SUGGESTION_COLUMNS: readonly TextColumn<Suggestion>[] = [
  { title: 'rule', align: 'left', keep: 5, cell: ({ rule }) => RULES[rule] },
  { title: 'λ', align: 'right', keep: 5, cell: ({ weightDecay }) => short(weightDecay, 3) },
  { title: 'timescale (steps)', align: 'right', keep: 3, cell: ({ timescaleSteps }) => whole(timescaleSteps) },
  { title: 'of the run', align: 'right', keep: 2, cell: ({ timescaleShare }) => percent(timescaleShare) },
]

function suggestionTable(
  suggestions: readonly Suggestion[],
  width: number,
  paint: ReturnType<typeof painter>,
): string[] {
  if (suggestions.length === 0) return []
  const { header, line } = textTable(SUGGESTION_COLUMNS, suggestions, width)
  const caveats = suggestions.map(({ rule, source, caveat }) => `${RULES[rule]}: ${caveat} (${source})`)
  return [
    '',
    ...wrapText('λ that others would choose for this run', width).map(paint.bold),
    paint.dim(header),
    ...suggestions.map(line),
    ...caveats.flatMap((text) => wrapText(text, width).map(paint.dim)),
  ]
}
