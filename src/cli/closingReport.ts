/** What a person reads when a run is over: how good it became, what it writes, where it is, what to try next. */
import type { EvaluationEvent, TrainSummary } from '../train/index.ts'
import { decimal, duration, scaled, whole } from './quantity.ts'
import type { Channel } from './terminal.ts'

export interface Closing {
  readonly summary: TrainSummary
  /** The first and the last evaluation of this session, where there were any. */
  readonly before: EvaluationEvent | null
  readonly after: EvaluationEvent | null
  /** Loss of the best guess that looks at single tokens only, on the validation text; nats per token. */
  readonly unigramEntropy: number
  /** Text that the model writes; null where none was asked for. */
  readonly sample: string | null
  /** The weights that the run began with, as `--from` named them; null where they were drawn. */
  readonly from: string | null
  /** How this program is called, as `npx halflife`. */
  readonly command: string
}

export function closingReport(closing: Closing, out: Channel): string {
  const { summary, sample } = closing
  const facts: readonly (readonly [string, string])[] = [
    ['Validation loss', lossFact(closing, out)],
    ['For comparison', `${decimal(closing.unigramEntropy)} by token frequencies alone (unigram entropy)`],
    ['Training', trainingFact(summary)],
    ['Speed', speedFact(summary)],
    ['Checkpoint', summary.checkpoint ?? 'none was written'],
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${out.style('dim', name.padEnd(width))}  ${value}`)
  if (sample !== null) lines.push('', out.style('bold', 'What it writes:'), '', ...indented(sample, out.width()))
  return ['', ...lines, '', ...nextSteps(closing, out)].join('\n')
}

function lossFact({ before, after }: Closing, out: Channel): string {
  if (after === null) return 'not measured'
  const last = `${out.style('bold', decimal(after.valLoss))} nats per token, on all ${whole(after.tokens)}`
  return before === null || before === after ? last : `${decimal(before.valLoss)} → ${last}`
}

function trainingFact({ steps, tokens, seconds }: TrainSummary): string {
  return `${whole(steps)} steps, ${whole(tokens)} tokens; this session took ${duration(seconds)}`
}

function speedFact({ medianStepMs, tokensPerSecond, flopsPerSecond }: TrainSummary): string {
  if (medianStepMs === null || tokensPerSecond === null || flopsPerSecond === null) return ''
  return `${medianStepMs.toFixed(1)} ms per step (median), ${whole(tokensPerSecond)} tokens/s, ${scaled(flopsPerSecond)}FLOP/s`
}

const INDENT = '  '
/** Lines longer than this are hard to read, however wide the terminal is. */
const WIDEST_TEXT = 100

function indented(text: string, width: number): string[] {
  const room = Math.max(20, Math.min(WIDEST_TEXT, width) - INDENT.length)
  return text
    .trimEnd()
    .split('\n')
    .flatMap((line) => wrap(line, room))
    .map((line) => `${INDENT}${line}`.trimEnd())
}

/** Cuts a line at spaces so that its parts are at most `room` long; a longer word is cut anywhere. */
function wrap(line: string, room: number): string[] {
  if (line.length <= room) return [line]
  const space = line.lastIndexOf(' ', room)
  const cut = line.slice(0, space).trim() === '' ? room : space
  return [line.slice(0, cut).trimEnd(), ...wrap(line.slice(cut).trimStart(), room)]
}

function nextSteps({ summary, from, command }: Closing, out: Channel): string[] {
  const { checkpoint, recipe, run } = summary
  const again = from === null ? `train ${recipe}` : `train ${recipe} --from ${quoted(from)}`
  const ideas: readonly (readonly [string, string])[] = [
    ...(checkpoint === null ? [] : [[`sample ${quoted(run)} --tokens 500`, 'more text'] as const]),
    [`${again} --set optimizer.weightDecay=2`, 'the same with λ = 2'],
    [`ledger ${recipe} --policy mingpt`, "what minGPT's rule would leave out"],
    ['train --data my.txt', 'your own text'],
    ['train --help', 'every recipe and setting'],
  ]
  const width = Math.max(...ideas.map(([arguments_]) => arguments_.length))
  return [
    out.style('bold', 'What to try next:'),
    ...ideas.map(
      ([rest, why]) => `  ${out.style('cyan', `${command} ${rest.padEnd(width)}`)}  ${out.style('dim', why)}`,
    ),
  ]
}

/** A word of a shell command, in quotes where it needs them. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
