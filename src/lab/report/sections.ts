/** The sections of the page, each from the run's numbers; a section that has nothing to show says why. */
import type { ForceRecord } from '../../records/index.ts'
import { renderChart, type Chart, type Series } from './chart.ts'
import { degrees, loss, number, percent, toDegrees } from './format.ts'
import type { Curve, RunNumbers } from './run.ts'
import { ledgerTable, tensorTable } from './tables.ts'
import { rmsCharts } from './tensorCharts.ts'
import { tokenCharts } from './tokenCharts.ts'

export interface Section {
  readonly title: string
  /** HTML, in a paragraph of its own. */
  readonly intro: string
  /** HTML. */
  readonly body: string
}

/** Roles in the order of the palette, so that each has one colour throughout. */
const ROLE_COLORS = ['matrix', 'embedding', 'position', 'gain', 'bias', 'head', 'router', 'scalar']

function roleColor(role: string): number {
  const place = ROLE_COLORS.indexOf(role)
  return place < 0 ? ROLE_COLORS.length - 1 : place
}

/** All sections in order. */
export function sectionsOf(run: RunNumbers): readonly Section[] {
  const looked = run.looks.length > 0
  return [
    { title: 'Training', intro: '', body: charts(training(run)) },
    {
      title: 'How large the weights are',
      intro:
        'Noise in the updates pushes weights out, decay pulls them in; where the two balance, the elements have an RMS of ' +
        'about √(lr/2λ). Dashed lines are that balance at each step’s learning rate and λ. It takes about half a ' +
        'timescale, 1/(2·lr·λ) steps, to get there, so a short run or a small λ never does.',
      body: charts([weightNorms(run), ...rmsCharts(run)]) + (looked ? '' : notLooked()),
    },
    {
      title: 'The two forces in each step',
      intro:
        'Each step subtracts u from the weights. Its gradient part is what the optimizer makes of the gradient, its decay ' +
        'part is what weight decay takes.',
      body: looked ? charts(forces(run)) : notLooked(),
    },
    ...penaltySection(run),
    {
      title: 'Clipping',
      intro: '',
      body: charts([gradientNorm(run), clipRate(run)]),
    },
    {
      title: 'Erased tokens',
      intro:
        'A row of the token table whose token is never seen gets no gradient as an input. Where the output layer is another ' +
        'table, decay alone acts on it, and it shrinks as the ledger’s survival foretells.',
      body: looked ? tokenSection(run) : notLooked(),
    },
    {
      title: 'The ledger',
      intro: 'What each tensor’s decay does by itself, from arithmetic before the run.',
      body: ledgerTable(run.ledger),
    },
    ...(looked
      ? [
          {
            title: `Every tensor in step ${number(run.looks.at(-1)!.step)}`,
            intro: 'Measured in the last step that was looked at, beside what was foretold.',
            body: tensorTable(run.looks.at(-1)!),
          },
        ]
      : []),
  ]
}

function charts(list: readonly (Chart | null)[]): string {
  const drawn = list.filter((chart) => chart !== null).map(renderChart)
  const shown = drawn.filter((html) => html !== '')
  return shown.length === 0
    ? '<p class="note">No step has been logged yet.</p>'
    : `<div class="charts">${shown.join('\n')}</div>`
}

function notLooked(): string {
  return (
    '<p class="note">This run did not look at its forces. Train with <code>--look-every 10</code> (the default of ' +
    '<code>halflife train</code>); <code>--resume</code> with it starts looking from here on.</p>'
  )
}

function training({ curves }: RunNumbers): (Chart | null)[] {
  const last = curves.validationLoss.at(-1)
  const best = curves.validationLoss.reduce<Curve[number] | null>((low, point) => {
    return point[1] !== null && (low === null || low[1] === null || point[1] < low[1]) ? point : low
  }, null)
  const auxiliary = Object.entries(curves.auxiliaryLosses)
  return [
    {
      title: 'Loss',
      yLabel: 'nats per token',
      format: loss,
      series: [
        { name: 'training batch', points: curves.trainLoss, color: 0 },
        { name: 'validation, whole split', points: curves.validationLoss, color: 1 },
      ],
      see:
        last && best
          ? `Validation ends at ${loss(last[1])}; its lowest was ${loss(best[1])} after step ${number(best[0])}. Lines that part mean that the training text is being memorised.`
          : 'Nothing was evaluated yet.',
    },
    {
      title: 'Penalty in the loss',
      yLabel: 'Σ (λ/2)·‖w‖²',
      series: [{ name: 'penalty', points: curves.penalty, color: 2 }],
      see: 'What the decay adds to what is minimised; the loss above leaves it out.',
    },
    {
      title: 'Other losses',
      yLabel: 'unweighted',
      series: auxiliary.map(([name, points], k) => ({ name, points, color: 2 + k })),
      see: 'Further terms of the objective, without their weights.',
    },
    {
      title: 'Learning rate',
      yLabel: 'lr',
      series: [{ name: 'learning rate', points: curves.learningRate, color: 0 }],
      see: `Decay takes lr·λ of a weight in a step, so it fades with the learning rate${Object.keys(curves.weightDecay).length > 0 ? ' unless λ rises' : ''}.`,
    },
    {
      title: 'Weight decay λ',
      yLabel: 'λ',
      series: Object.entries(curves.weightDecay).map(([name, points]) => ({ name, points, color: roleColor(name) })),
      see: 'λ of each role that decays.',
    },
  ]
}

function weightNorms({ curves }: RunNumbers): Chart {
  return {
    title: 'Norms by role',
    yLabel: '‖w‖',
    yScale: 'log',
    series: Object.entries(curves.weightNorm).map(([name, points]) => ({ name, points, color: roleColor(name) })),
    see: 'A norm that keeps rising has no balance yet; one that is level is held by its decay, or by a small learning rate.',
  }
}

/** One line for each role that has the measure. */
function byRole(
  { looks }: RunNumbers,
  pick: (force: ForceRecord) => number | null,
  kind: NonNullable<Series['kind']> = 'line',
): Series[] {
  const roles = Object.keys(looks.at(-1)?.roles ?? {})
  return roles
    .map((role): Series => {
      const points = looks.map(({ step, roles: all }) => [step, all[role] ? pick(all[role]) : null] as const)
      return { name: role, points, color: roleColor(role), kind }
    })
    .filter(({ points }) => points.some(([, value]) => value !== null))
}

function renamed(series: readonly Series[], suffix: string): Series[] {
  return series.map((one) => Object.assign({}, one, { name: `${one.name}${suffix}` }))
}

function forces(run: RunNumbers): Chart[] {
  const last = run.looks.at(-1)!.roles
  const main = last['matrix'] ?? Object.values(last)[0]!
  const ratio = main.rotation !== null && main.equilibriumRotation ? main.rotation / main.equilibriumRotation : null
  return [
    {
      title: 'Gradient part against decay part',
      yLabel: 'norm',
      yScale: 'log',
      series: [
        ...renamed(
          byRole(run, ({ gradientPart }) => gradientPart),
          ': gradient',
        ),
        ...renamed(
          byRole(run, ({ decayPart }) => decayPart, 'dashed'),
          ': decay',
        ),
      ],
      see: 'In a single step the gradient pushes harder than the decay pulls. But its direction changes from step to step, and the pull’s does not.',
    },
    {
      title: 'Share of the decay in the update',
      yLabel: 'share',
      format: percent,
      series: byRole(run, ({ decayShare }) => decayShare),
      see: `In the last look it was ${percent(main.decayShare)} of the matrices’ update. It grows with the weights, until the two forces balance.`,
    },
    {
      title: 'Share of the weights that decay takes',
      yLabel: 'per step',
      series: byRole(run, ({ shrink }) => shrink),
      format: percent,
      see: 'Measured as the decay part along the weights, over their size. Under decoupled decay it is lr·λ.',
    },
    {
      title: 'Angle between the two parts',
      yLabel: 'degrees',
      format: inDegrees,
      series: byRole(run, ({ angle }) => toDegrees(angle)),
      see: `90° is noise that knows nothing of the weights; above it the gradient pushes against the decay, below it both shrink the weights. ${sentence('The last', main.angle, degrees)}`,
    },
    {
      title: 'Update to weight ratio',
      yLabel: '‖u‖ / ‖w‖',
      yScale: 'log',
      series: byRole(run, ({ updateRatio }) => updateRatio),
      see: 'How large a step is for the weights it changes; about 0.001 is usual. Roles that decay settle, others fall as they grow.',
    },
    {
      title: 'Rotation per step',
      yLabel: 'degrees',
      yScale: 'log',
      format: inDegrees,
      series: [
        ...byRole(run, ({ rotation }) => toDegrees(rotation)),
        ...renamed(
          byRole(run, ({ equilibriumRotation }) => toDegrees(equilibriumRotation), 'dashed'),
          ' in balance',
        ),
      ],
      see: `How far a step turns the weights, and what it would be in balance, √(2·lr·λ·(1−β1)/(1+β1)) under AdamW. ${ratio === null ? '' : `The matrices ended at ${number(ratio)} times it: ${ratio > 1.3 ? 'they are still smaller than in balance and turn faster' : ratio < 0.77 ? 'they are larger than in balance and turn slower' : 'they are near it'}.`}`,
    },
  ]
}

/** For axes that are in degrees. */
function inDegrees(value: number): string {
  return `${number(value)}°`
}

function sentence(subject: string, value: number | null, format: (value: number | null) => string): string {
  return value === null ? '' : `${subject} was ${format(value)}.`
}

/** For forms that act on the gradient: nothing where none does. */
function penaltySection(run: RunNumbers): Section[] {
  const norms = byRole(run, ({ penalty }) => penalty?.norm ?? null)
  if (norms.length === 0) return []
  return [
    {
      title: 'The penalty in the gradient',
      intro:
        'This decay acts on the gradient instead of the weights, so the update has no part of its own for it. What can be told is the force λ·w that joins the data’s gradient, before the optimizer divides both by the same √v̂.',
      body: charts([
        {
          title: 'Penalty against data',
          yLabel: 'norm',
          yScale: 'log',
          series: [
            ...renamed(
              byRole(run, ({ penalty }) => penalty?.gradientNorm ?? null),
              ': data',
            ),
            ...renamed(
              byRole(run, ({ penalty }) => penalty?.norm ?? null, 'dashed'),
              ': λ·w',
            ),
          ],
          see: 'Norms of the two gradients that are added.',
        },
        {
          title: 'Angle between penalty and data',
          yLabel: 'degrees',
          format: inDegrees,
          series: byRole(run, ({ penalty }) => toDegrees(penalty?.angle ?? null)),
          see: 'Above 90° the data pushes against the penalty.',
        },
      ]),
    },
  ]
}

function gradientNorm({ curves, clip }: RunNumbers): Chart {
  const [first, last] = [curves.gradientNorm[0], curves.gradientNorm.at(-1)]
  const limit: Series[] =
    clip === null || !first || !last
      ? []
      : [
          {
            name: `limit ${number(clip)}`,
            points: [
              [first[0], clip],
              [last[0], clip],
            ],
            color: 1,
            kind: 'dashed',
          },
        ]
  return {
    title: 'Gradient norm',
    yLabel: '‖g‖ before clipping',
    yScale: 'log',
    series: [{ name: 'gradient norm', points: curves.gradientNorm, color: 0 }, ...limit],
    see: clip === null ? 'Nothing is clipped in this run.' : 'Steps above the dashed line are scaled down to it.',
  }
}

/** From the looks where there are some, else from the logged steps in fifty bins. */
function clipRate({ looks, curves, clip }: RunNumbers): Chart | null {
  if (clip === null) return null
  const counted = looks.flatMap(({ step, clip: own }) => (own === null ? [] : [[step, own.rate] as const]))
  const points = counted.length > 0 ? counted : binnedRate(curves.gradientNorm, clip)
  const { length } = curves.gradientNorm
  const cut = curves.gradientNorm.filter(([, norm]) => norm !== null && norm > clip).length
  return {
    title: 'Clip rate',
    yLabel: 'share of steps',
    format: percent,
    series: [{ name: 'clipped', points, color: 0 }],
    see: `${percent(length === 0 ? null : cut / length)} of the logged steps were clipped. A clipped step weighs less in the moments; a rate that stays high means that the limit sets the learning rate.`,
  }
}

function binnedRate(curve: Curve, clip: number): Curve {
  const size = Math.max(1, Math.ceil(curve.length / 50))
  return Array.from({ length: Math.ceil(curve.length / size) }, (_, k) => {
    const bin = curve.slice(k * size, (k + 1) * size)
    return [bin.at(-1)![0], bin.filter(([, norm]) => norm !== null && norm > clip).length / bin.length] as const
  })
}

function tokenSection(run: RunNumbers): string {
  const list = tokenCharts(run)
  return list.length === 0
    ? '<p class="note">The model has no token table of role embedding that is trained.</p>'
    : charts(list)
}
