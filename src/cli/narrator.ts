/** Tells a training run's events to a person, on stderr. */
import { renderLedger } from '../optim/index.ts'
import type { CompiledEvent, EvaluationEvent, StartEvent, StepEvent, TrainEvent } from '../train/index.ts'
import { linePicker, statusText, stepLine } from './progress.ts'
import { bytes, decimal, duration, scaled, whole } from './quantity.ts'
import { statusLine, type StatusLine } from './statusLine.ts'
import type { Channel, Sink } from './terminal.ts'

export interface Narrator {
  tell(event: TrainEvent): void
  /** A line that stays. */
  say(text: string): void
  /** Takes the progress bar away. */
  close(): void
}

/** Faster than this nobody reads. */
const REDRAW_MS = 50

/** On a terminal a bar follows the steps; elsewhere some steps get a line. */
export function createNarrator(err: Channel, sink: Sink): Narrator {
  const status = statusLine(err, sink)
  const wantsLine = linePicker()
  let shownAt = -Infinity
  const showStatus = (event: StepEvent): void => {
    const now = performance.now()
    if (now - shownAt < REDRAW_MS && event.step < event.steps) return
    shownAt = now
    status.show(statusText(event, err.width(), err.style))
  }
  const tellStep = (event: StepEvent): void => {
    if (err.interactive) showStatus(event)
    else if (wantsLine(event)) err.line(stepLine(event))
  }
  return {
    say: (text) => status.line(text),
    close: () => status.clear(),
    tell(event) {
      switch (event.kind) {
        case 'start':
          return tellStart(event, err, status)
        case 'compiled':
          status.clear()
          return status.line(err.style('dim', compiledLine(event)))
        case 'step':
          return tellStep(event)
        case 'evaluation':
          return status.line(evaluationLine(event, err))
        case 'checkpoint':
          return err.interactive ? undefined : status.line(`saved ${event.path} (${event.which})`)
        case 'end':
          return status.clear()
      }
    },
  }
}

function tellStart(event: StartEvent, err: Channel, status: StatusLine): void {
  const { corpus, parameters } = event
  const facts: readonly (readonly [string, string])[] = [
    ['recipe', `${event.recipe}, seed ${event.seed}`],
    [
      'text',
      `${corpus.name}: ${whole(corpus.trainTokens)} tokens to train on, ${whole(corpus.validationTokens)} to validate`,
    ],
    ['model', `${whole(parameters.total)} parameters`],
    ['steps', `${stepsOf(event)} of ${whole(event.tokensPerStep)} tokens`],
    ['runs on', event.backend.description],
  ]
  status.line()
  for (const [name, value] of facts) status.line(`  ${err.style('dim', name.padEnd(8))}  ${value}`)
  for (const { path, from, to } of event.changes) {
    status.line(`  ${err.style('yellow', 'changed')}   ${path}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`)
  }
  for (const notice of event.notices) status.line(`  ${err.style('yellow', 'note')}      ${notice}`)
  status.line()
  status.line(renderLedger(event.ledger, { color: err.color, width: err.width() }))
  status.line()
  status.show('compiling the training step …')
}

function stepsOf({ steps, startStep, resumedFrom }: StartEvent): string {
  if (resumedFrom === null) return whole(steps)
  return `${whole(steps)}, going on after step ${whole(startStep)} of ${resumedFrom},`
}

function compiledLine({ reports, milliseconds, flopsPerStep }: CompiledEvent): string {
  const all = Object.values(reports)
  const kernels = all.reduce((sum, report) => sum + report.kernels, 0)
  const arena = all.reduce((most, report) => Math.max(most, report.arenaBytes), 0)
  return [
    `Compiled ${all.length} programs of ${whole(kernels)} kernels in ${whole(milliseconds)} ms`,
    `${bytes(arena)} of working memory`,
    `${scaled(flopsPerStep)}FLOP per step`,
  ].join(', ')
}

function evaluationLine({ step, valLoss, tokens, milliseconds, best }: EvaluationEvent, err: Channel): string {
  const when = step === 0 ? 'before training' : `after step ${whole(step)}`
  const loss = err.style('bold', decimal(valLoss))
  const cost = `all ${whole(tokens)} tokens in ${duration(milliseconds / 1000)}`
  return `validation loss ${loss} ${when} (${best && step > 0 ? 'the best so far; ' : ''}${cost})`
}
