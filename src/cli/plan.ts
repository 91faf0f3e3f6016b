/** `halflife plan`: a training run on paper, at any size. Nothing of the model's size is allocated. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { planRun, precisions, type Precision, type RunPlan } from '../planning/index.ts'
import { UsageError } from './errors.ts'
import { bytes, duration, scaled, whole } from './quantity.ts'
import {
  addRecipeFlags,
  recipeArgument,
  recipeFromFlags,
  recipeList,
  wholeNumber,
  type RecipeFlags,
} from './recipeFlags.ts'
import type { Channel, Terminal } from './terminal.ts'
import { vocabularyOf } from './vocabulary.ts'

interface PlanFlags extends RecipeFlags {
  readonly tokens?: number
  readonly device: Device
  readonly devices: number
  readonly utilisation: number
  readonly precision: Precision
  readonly json?: boolean
}

interface Device {
  readonly name: string
  readonly flops: number
}

/** Twenty times the longest published run; the schedule is walked step by step. */
const MOST_STEPS = 20_000_000

/** Peak rates of dense bf16 products, as the makers' data sheets print them. */
const DEVICES: Readonly<Record<string, number>> = { a100: 312e12, h100: 989e12, 'tpu-v4': 275e12 }

const EXAMPLES = `
Examples:
  halflife plan gpt2@124m
  halflife plan gpt2@124m --tokens 2.5e9 --device h100        Chinchilla's 20 tokens per parameter
  halflife plan gpt2@124m --device a100 --devices 8 --utilisation 0.4
  halflife plan quickstart --device 2.2e11 --utilisation 0.7  on two cores
  halflife plan gpt2@124m --precision bf16 --json

Devices by name: ${Object.entries(DEVICES)
  .map(([name, flops]) => `${name} (${scaled(flops)}FLOP/s in bf16)`)
  .join(', ')}.`

export function definePlan(command: Command, { out, err }: Terminal): void {
  command
    .description(
      'Plan a run on paper, at any size: exact parameter counts by role, memory, floating-point work and time, and what\n' +
        'its weight decay leaves of the initial weights. Nothing is trained and nothing large is allocated.',
    )
    .argument('<recipe>', recipeArgument())
  addRecipeFlags(command)
    .option('--tokens <n>', 'tokens to train on, such as 300e9, in place of the recipe’s steps', readTokens)
    .option('--device <rate>', 'peak of a device in FLOP/s, or its name', readDevice, readDevice('a100'))
    .option('--devices <n>', 'how many devices share the work', wholeNumber(1), 1)
    .option('--utilisation <share>', 'share of the peak that training reaches, up to 1', readShare, 0.4)
    .addOption(new Option('--precision <name>', 'of products and activations').choices([...precisions]).default('fp32'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', () => `\nRecipes:\n${recipeList()}\n${EXAMPLES}`)
    .action(async (name: string, flags: PlanFlags) => {
      const plan = await planFromFlags(name, flags, err)
      out.line(flags.json === true ? JSON.stringify(plan, null, 2) : renderPlan(plan, flags.device, out))
    })
}

async function planFromFlags(name: string, flags: PlanFlags, err: Channel): Promise<RunPlan> {
  const { tokens, device, devices, utilisation, precision } = flags
  if (tokens !== undefined && flags.steps !== undefined) {
    throw new UsageError('--tokens and --steps both say how long the run is.', 'Give one of them.')
  }
  const first = recipeFromFlags(name, flags)
  const vocab = await vocabularyOf(first.config, err)
  const request = { precision, deviceFlops: device.flops, devices, utilisation, remark: first.remark }
  if (tokens === undefined) return planRun(first.name, first.config, vocab, request)
  const { model, train } = first.config
  const perStep = train.batchSize * train.accumulation * (train.sequenceLength ?? model.context)
  const steps = Math.max(1, Math.round(tokens / perStep))
  if (steps > MOST_STEPS) {
    throw new UsageError(
      `${whole(tokens)} tokens are ${whole(steps)} steps of ${whole(perStep)} tokens, too many to walk through.`,
      `Plan with larger batches (--set train.batchSize=…, train.accumulation=…) or fewer tokens: ${whole(MOST_STEPS)} steps at most.`,
    )
  }
  const { config } = recipeFromFlags(name, { ...flags, steps })
  return planRun(first.name, config, vocab, request)
}

function renderPlan(plan: RunPlan, device: Device, out: Channel): string {
  const { parameters, memory, time } = plan
  const active = parameters.active === parameters.total ? '' : `, ${whole(parameters.active)} active for each token`
  const facts: readonly (readonly [string, string])[] = [
    ['Recipe', `${plan.recipe}, architecture ${plan.architecture}`],
    ['Parameters', `${whole(parameters.total)}${active}`],
    ...(plan.remark === null ? [] : [['', plan.remark] as const]),
    [
      'Decayed',
      `${whole(parameters.decayed)} by policy ${plan.optimizer.policy}; not decayed ${whole(parameters.undecayed)}`,
    ],
    ...Object.entries(parameters.byRole).map(([role, count]) => {
      const decay =
        count.decayed === 0 ? 'not decayed' : count.decayed === count.parameters ? 'decayed' : 'some decayed'
      const tensors = `${whole(count.tensors)} tensor${count.tensors === 1 ? '' : 's'}`
      return [`  ${role}`, `${whole(count.parameters)} in ${tensors}, ${decay}`] as const
    }),
    [
      'Memory',
      `${bytes(memory.total)} in ${memory.precision}: weights ${bytes(memory.weights)}, gradients ${bytes(memory.gradients)}, ` +
        `${plan.optimizer.name} ${bytes(memory.optimizer)}, activations of a batch ${bytes(memory.activations)}`,
    ],
    ['Work', `${scaled(plan.flopsPerToken)}FLOP per token, ${time.flops.toExponential(3)} FLOP in all`],
    [
      'Run',
      `${whole(plan.steps)} steps of ${whole(plan.tokensPerStep)} tokens: ${scaled(plan.tokens)}tokens, ` +
        `${Number(plan.tokensPerParameter.toPrecision(3))} per parameter`,
    ],
    [
      'Time',
      `${duration(time.seconds)} on ${whole(time.devices)} × ${device.name} (${scaled(time.deviceFlops)}FLOP/s at ` +
        `${Number((time.utilisation * 100).toPrecision(3))} % of the peak)`,
    ],
    ['Decay', decayText(plan)],
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${out.style('dim', name.padEnd(width))}  ${value}`).join('\n')
}

function decayText({ survival, sumLrDecay, timescaleSteps, optimizer, steps }: RunPlan): string {
  const how = `λ ${optimizer.weightDecay}, ${optimizer.form}`
  if (survival === null || sumLrDecay === null) return `${how}: what it leaves depends on more than arithmetic`
  if (sumLrDecay === 0) return `${how}: nothing decays`
  const left = survival >= 0.001 ? `${Number((survival * 100).toPrecision(3))} %` : survival.toExponential(2)
  const timescale =
    timescaleSteps === null
      ? ''
      : `; timescale ${whole(timescaleSteps)} steps, ${Number((timescaleSteps / steps).toPrecision(3))} of the run`
  return `${how}: ${left} of the initial weights survive (${Number(sumLrDecay.toPrecision(4))} e-folds)${timescale}`
}

function readTokens(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value >= 1 && text.trim() !== '') return value
  throw new InvalidArgumentError('Expected a number of tokens, 1 or more, such as 300e9.')
}

function readDevice(text: string): Device {
  const known = DEVICES[text.toLowerCase()]
  if (known !== undefined) return { name: text.toUpperCase(), flops: known }
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return { name: 'device', flops: value }
  throw new InvalidArgumentError(
    `Expected a rate in FLOP/s above 0, such as 312e12, or ${Object.keys(DEVICES).join(', ')}.`,
  )
}

function readShare(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (value > 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a number above 0, at most 1.')
}
