/** How far a run has come: a bar for terminals, and the choice of steps that deserve a line elsewhere. */
import type { StepEvent } from '../train/index.ts'
import { decimal, duration, whole } from './quantity.ts'
import type { Style } from './terminal.ts'

/** Eighths of a character cell. */
const PARTS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const
const BAR_CELLS = 20

/** `▕████▌     ▏ 23 %`: share is from 0 to 1. */
export function bar(share: number, cells: number = BAR_CELLS): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8)
  const filled = '█'.repeat(Math.floor(eighths / 8)) + (PARTS[eighths % 8] ?? '')
  return `▕${filled.padEnd(cells)}▏`
}

/** The status on a terminal; the bar gives way first where it is narrow. */
export function statusText(event: StepEvent, width: number, style: (style: Style, text: string) => string): string {
  const share = event.step / event.steps
  const facts = [
    `step ${whole(event.step)}/${whole(event.steps)}`,
    lossText(event),
    `${whole(event.tokensPerSecond)} tokens/s`,
    `${duration(event.secondsLeft)} left`,
  ].join(' · ')
  const percent = `${Math.floor(share * 100)} %`.padStart(5)
  const cells = Math.min(BAR_CELLS, width - facts.length - percent.length - 6)
  return cells < 5 ? facts : `${style('green', bar(share, cells))}${percent}  ${facts}`
}

/** The same facts, and the learning rate and gradient norm, for a log. */
export function stepLine(event: StepEvent): string {
  const { step, steps, learningRate, gradientNorm, tokensPerSecond, secondsLeft } = event
  return [
    `step ${String(step).padStart(String(steps).length)}/${steps}`,
    lossText(event),
    `lr ${learningRate.toExponential(2)}`,
    `gradient norm ${decimal(gradientNorm)}`,
    `${whole(tokensPerSecond)} tokens/s`,
    `${duration(secondsLeft)} left`,
  ].join('  ')
}

/** The loss, and apart from it what a penalty on the weights adds. */
function lossText({ loss, penalty }: StepEvent): string {
  return penalty === null ? `loss ${decimal(loss)}` : `loss ${decimal(loss)} + ${decimal(penalty)} penalty`
}

const LINES_PER_RUN = 20
const LONGEST_SILENCE_MS = 30_000

/**
 * Says of each step whether a log should have a line for it: the first and the last of a session, about twenty in
 * between, and one after half a minute of silence.
 */
export function linePicker(now: () => number = performance.now.bind(performance)): (event: StepEvent) => boolean {
  let lastTime = -Infinity
  return ({ step, steps }) => {
    const every = Math.max(1, Math.round(steps / LINES_PER_RUN))
    const time = now()
    if (step % every !== 0 && step !== steps && time - lastTime < LONGEST_SILENCE_MS) return false
    lastTime = time
    return true
  }
}
