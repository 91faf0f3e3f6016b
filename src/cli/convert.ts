/** `halflife convert`: what a weight decay of one framework is called in the others. Nothing is trained. */
import { Option, type Command } from 'commander'
import {
  convertToAll,
  convertWeightDecay,
  createSchedule,
  decayConventionNames,
  decayConventions,
  renderConversions,
  type DecayConventionName,
  type NamedConversion,
  type Schedule,
  type ScheduleSpec,
} from '../optim/index.ts'
import { nearest } from '../optim/nearest.ts'
import { recipeDecayRun, resolveRecipe } from '../recipes/index.ts'
import { UsageError } from './errors.ts'
import { whole } from './quantity.ts'
import { finiteNumber, wholeNumber } from './recipeFlags.ts'
import type { Terminal } from './terminal.ts'

interface ConvertFlags {
  readonly from: DecayConventionName
  readonly to?: DecayConventionName
  readonly recipe?: string
  readonly lr?: number
  readonly schedule: ScheduleSpec['kind']
  readonly warmup: number
  readonly steps?: number
  readonly floor: number
  readonly decaySteps?: number
  readonly targetLr?: number
  readonly json?: boolean
}

/** The learning rate over a run. */
interface Rates {
  readonly learningRate: Schedule
  readonly steps: number
  /** Whether `steps` is the length of a run, or only a number to compute with. */
  readonly isRun: boolean
  /** In words. */
  readonly said: string
}

const KINDS = ['constant', 'cosine', 'linear', 'warmup-stable-decay', 'inverse-square-root'] as const

const EXAMPLES = `
Examples:
  halflife convert 0.1 --lr 3e-4                                    PyTorch's 0.1, everywhere
  halflife convert 0.1 --lr 3e-4 --to composer --json
  halflife convert 1e-5 --from composer --to pytorch --lr 3e-4
  halflife convert 0.1 --lr 3e-4 --schedule cosine --warmup 2000 --steps 250000 --floor 3e-5
  halflife convert 0.1 --recipe gpt2-nanogpt@124m                   with its schedule and length
  halflife convert 0.1 --to lion --lr 3e-4 --target-lr 6e-5         Lion wants a smaller rate`

export function defineConvert(command: Command, { out }: Terminal): void {
  command
    .description(
      'Say which λ decays the same in another framework. "Weight decay 0.1" takes lr·0.1 of a weight per step in\n' +
        'PyTorch, (lr/peak)·0.1 in Composer, 0.1 in t5x: the number that means the same depends on the learning rate\n' +
        'and its schedule.',
    )
    .argument('<weight-decay>', 'λ in the framework of --from', finiteNumber(0))
    .addOption(frameworkOption('--from <framework>', 'where λ comes from').default('pytorch'))
    .addOption(frameworkOption('--to <framework>', 'where it goes; all of them unless given'))
    .option('--recipe <name>', 'learning rate, schedule and length of a recipe')
    .option('--lr <rate>', 'learning rate, at its peak', finiteNumber(0))
    .addOption(new Option('--schedule <kind>', 'how it goes on').choices(KINDS).default('constant'))
    .option('--warmup <n>', 'steps of linear warm-up', wholeNumber(0), 0)
    .option('--steps <n>', 'length of the run', wholeNumber(1))
    .option('--floor <rate>', 'learning rate at the end', finiteNumber(0), 0)
    .option('--decay-steps <n>', 'steps of descent at the end, for warmup-stable-decay', wholeNumber(1))
    .option('--target-lr <rate>', 'peak learning rate in the framework of --to, where it is another', finiteNumber(0))
    .option('--json', 'print one JSON document')
    .addHelpText('after', () => `\nFrameworks:\n${frameworkList()}\n${EXAMPLES}`)
    .action((weightDecay: number, flags: ConvertFlags) => {
      const rates = ratesOf(flags)
      const conversions = convert(weightDecay, flags, rates)
      if (flags.json === true) {
        return out.line(JSON.stringify(documentOf(weightDecay, flags, rates, conversions), null, 2))
      }
      out.line(`λ = ${weightDecay} in ${flags.from}, ${rates.said}, is`)
      const shown = { color: out.color, width: out.width(), from: flags.from, survival: rates.isRun }
      out.line(renderConversions(conversions, shown))
    })
}

function frameworkOption(flags: string, description: string): Option {
  return new Option(flags, `${description}; they are listed below`).argParser((name: string) => {
    const known = decayConventionNames.find((candidate) => candidate === name)
    if (known !== undefined) return known
    const near = nearest(name, decayConventionNames)
    throw new UsageError(
      `Unknown framework "${name}".`,
      `${near === undefined ? '' : `Did you mean "${near}"? `}The frameworks are: ${decayConventionNames.join(', ')}.`,
    )
  })
}

function ratesOf(flags: ConvertFlags): Rates {
  const { recipe, lr, schedule, steps } = flags
  if (recipe !== undefined) return ratesOfRecipe(recipe, flags)
  if (lr === undefined) {
    throw new UsageError(
      'What λ means elsewhere depends on the learning rate, and none is given.',
      'Give its peak with --lr 3e-4, or the name of a recipe with --recipe.',
    )
  }
  if (lr === 0) throw new UsageError('The learning rate is 0; nothing decays.', 'Give its peak with --lr 3e-4.')
  const endless = schedule === 'constant' && flags.warmup === 0
  if (steps === undefined && !endless) {
    throw new UsageError(
      `Under a ${schedule} schedule${flags.warmup > 0 ? ' with warm-up' : ''} it matters how long the run is.`,
      'Give its length with --steps.',
    )
  }
  const learningRate = scheduleOf(flags, lr, steps ?? 1)
  const length = steps === undefined ? '' : `, ${whole(steps)} steps`
  return { learningRate, steps: steps ?? 1, isRun: steps !== undefined, said: `lr ${lr}, ${schedule}${length}` }
}

function ratesOfRecipe(name: string, flags: ConvertFlags): Rates {
  const clash = (['lr', 'steps', 'decaySteps'] as const).find((key) => flags[key] !== undefined)
  if (clash !== undefined || flags.schedule !== 'constant' || flags.warmup > 0 || flags.floor > 0) {
    throw new UsageError(
      'A recipe has its own learning rate, schedule and length.',
      'Give --recipe, or --lr and the rest.',
    )
  }
  const run = recipeDecayRun(resolveRecipe(name).config)
  const rates = run.learningRates
  const learningRate = typeof rates === 'function' ? rates : (step: number) => rates[step]!
  return { learningRate, steps: run.steps, isRun: true, said: `over the ${whole(run.steps)} steps of ${name}` }
}

function scheduleOf(flags: ConvertFlags, peak: number, steps: number): Schedule {
  const { schedule: kind, warmup, floor, decaySteps } = flags
  if ((decaySteps === undefined) === (kind === 'warmup-stable-decay')) {
    throw new UsageError(
      decaySteps === undefined
        ? 'A warmup-stable-decay schedule needs --decay-steps.'
        : `A ${kind} schedule has no --decay-steps.`,
      'Give --schedule warmup-stable-decay and --decay-steps together.',
    )
  }
  if (kind === 'constant' && floor > 0) {
    throw new UsageError('A constant schedule has no --floor.', 'Leave it out, or give another --schedule.')
  }
  try {
    return createSchedule({ kind, peak, warmup, steps, floor, decaySteps: decaySteps ?? 0 })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UsageError(error.message, 'Check --lr, --warmup, --steps, --floor and --decay-steps.')
  }
}

function convert(weightDecay: number, flags: ConvertFlags, { learningRate, steps }: Rates): readonly NamedConversion[] {
  const { from, to, targetLr } = flags
  if (to === undefined) {
    if (targetLr === undefined) return convertToAll({ weightDecay, from, learningRate, steps })
    throw new UsageError('--target-lr is the learning rate of one framework, and --to names none.', 'Add --to.')
  }
  const peak = targetLr === undefined ? {} : { targetPeak: targetLr }
  return [{ to, conversion: convertWeightDecay({ weightDecay, from, to, learningRate, steps, ...peak }) }]
}

/** The document of `convert --json`. What survives is null where no length of a run was given. */
function documentOf(
  weightDecay: number,
  { from }: ConvertFlags,
  { steps, isRun }: Rates,
  conversions: readonly NamedConversion[],
): unknown {
  return {
    weightDecay,
    from,
    steps: isRun ? steps : null,
    conversions: conversions.map(({ to, conversion }) => {
      const { survival, ...rest } = conversion
      return { to, ...rest, survival: isRun ? survival : null, call: decayConventions[to].call }
    }),
  }
}

function frameworkList(): string {
  const width = Math.max(...decayConventionNames.map((name) => name.length))
  return decayConventionNames.map((name) => `  ${name.padEnd(width)}  ${decayConventions[name].call}`).join('\n')
}
