/** The whole page: one file that asks for nothing from anywhere. */
import { escape, loss, number, percent } from './format.ts'
import type { RunNumbers } from './run.ts'
import { SCRIPT } from './script.ts'
import { sectionsOf } from './sections.ts'
import { STYLE } from './style.ts'

/** HTML of a run's report. */
export function renderReport(run: RunNumbers): string {
  const { config } = run
  const title = `${config.recipe.name}: the force of weight decay`
  const sections = sectionsOf(run).map(({ title: name, intro, body }) => {
    const heading = `<h2>${escape(name)}</h2>`
    return `<section>${heading}${intro === '' ? '' : `<p class="soft">${escape(intro)}</p>`}\n${body}</section>`
  })
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="generator" content="halflife">',
    `<title>${escape(title)}</title>`,
    '<link rel="icon" href="data:,">',
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    '<main>',
    `<h1>${escape(title)}</h1>`,
    `<p class="soft">${escape(`${run.folder} · started ${config.startedAt.slice(0, 16).replace('T', ' ')} UTC · seed ${config.seed} · ${config.backend}`)}</p>`,
    facts(run),
    ...sections,
    '</main>',
    `<script>${SCRIPT}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

function facts({ config, ledger, step, curves, looks }: RunNumbers): string {
  const list: readonly (readonly [string, string])[] = [
    ['steps', `${number(step)} of ${number(ledger.steps)}`],
    ['text', config.corpus?.name ?? '–'],
    ['validation loss', loss(curves.validationLoss.at(-1)?.[1] ?? null)],
    ['λ', number(ledger.weightDecay)],
    ['form', ledger.form ?? 'decoupled'],
    ['policy', ledger.policy],
    ['peak learning rate', number(ledger.learningRate.peak)],
    ['survives the run', percent(strongest(ledger))],
    ['looks', number(looks.length)],
  ]
  return `<dl class="facts">${list.map(([name, value]) => `<div><dt>${escape(name)}</dt><dd>${escape(value)}</dd></div>`).join('')}</dl>`
}

/** Survival of the decaying tensors that survive least; null where nothing is foretold. */
function strongest({ entries }: RunNumbers['ledger']): number | null {
  const known = entries.flatMap(({ weightDecay, survival }) => (weightDecay > 0 && survival !== null ? [survival] : []))
  if (known.length > 0) return Math.min(...known)
  return entries.every(({ weightDecay }) => weightDecay === 0) ? 1 : null
}
