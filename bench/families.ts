/**
 * Does every family train, on both backends, and how fast? Three questions, each a table for docs/families.md:
 *
 *     npm run families -- train [--only llama@nano,…] [--backend native|wasm] [--steps 800]
 *     npm run families -- agree [--only …]
 *     npm run families -- speed [--size mini] [--only …] [--rounds 5]
 *
 * `train` runs each @nano recipe to its end on the built-in corpus: validation loss before and after beside the unigram
 * entropy. `agree` compares the losses of the first 20 steps on native code and WebAssembly. `speed` times a step beside
 * the fp32 peak: in each round a burst of multiply-adds, then a step. Rows come as they are ready, in Markdown.
 */
import { parseArgs } from 'node:util'
import { availableParallelism } from 'node:os'
import { loadCorpus, unigramEntropy, type Corpus } from '../src/data/index.ts'
import { createBackend, createCeilings, type BackendName } from '../src/engine/index.ts'
import { families, resolveRecipe, type ResolvedRecipe } from '../src/recipes/index.ts'
import { train, type EvaluationEvent, type TrainSummary } from '../src/train/index.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    size: { type: 'string', default: 'nano' },
    backend: { type: 'string', default: 'native' },
    steps: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
})
const [question = 'train'] = positionals
const threads = Number(values.threads)
const names = values.only?.split(',') ?? families.map(({ name }) => `${name}@${values.size}`)
const corpus = await loadCorpus({ data: 'moby-dick', tokenizer: 'char' })
const FIRST = 20

if (question === 'train') await trainAll()
else if (question === 'agree') await agreeAll()
else if (question === 'speed') await timeAll()
else throw new Error(`Unknown question "${question}"; known are train, agree, speed.`)

interface Run {
  readonly losses: readonly number[]
  readonly evaluations: readonly EvaluationEvent[]
  readonly summary: TrainSummary
  readonly flopsPerStep: number
  readonly backend: string
}

/** Trains without writing anything; after `most` steps the run stops, with the recipe's schedule as it is. */
async function run(recipe: ResolvedRecipe, name: BackendName, most: number, text: Corpus = corpus): Promise<Run> {
  const backend = createBackend({ backend: name, threads })
  const controller = new AbortController()
  const losses: number[] = []
  const evaluations: EvaluationEvent[] = []
  let flopsPerStep = 0
  let summary: TrainSummary | undefined
  try {
    for await (const event of train({ recipe, corpus: text, backend, out: null, signal: controller.signal })) {
      if (event.kind === 'compiled') flopsPerStep = event.flopsPerStep
      if (event.kind === 'evaluation') evaluations.push(event)
      if (event.kind === 'step') losses.push(event.loss)
      if (event.kind === 'end') summary = event.summary
      if (losses.length === most && !controller.signal.aborted) controller.abort()
    }
    return { losses, evaluations, summary: summary!, flopsPerStep, backend: backend.description }
  } finally {
    backend.dispose()
  }
}

async function trainAll(): Promise<void> {
  const entropy = unigramEntropy(corpus.validation, corpus.tokenizer.vocab)
  console.log(`unigram entropy ${entropy.toFixed(4)} nats`)
  row('recipe', 'parameters', 'steps', 'loss before', 'after', 'below the unigram entropy', 'seconds', 'ms a step')
  for (const name of names) {
    const set = values.steps === undefined ? [] : [`schedule.steps=${values.steps}`]
    const recipe = resolveRecipe(name, { set })
    const { evaluations, summary } = await run(recipe, values.backend as BackendName, Infinity)
    const [before, after] = [evaluations[0]!.valLoss, evaluations.at(-1)!.valLoss]
    const parameters = summary.parameters.total.toLocaleString('en')
    const figures = [before.toFixed(4), after.toFixed(4), (entropy - after).toFixed(4)]
    row(name, parameters, summary.steps, ...figures, summary.seconds.toFixed(0), summary.medianStepMs!.toFixed(1))
  }
}

async function agreeAll(): Promise<void> {
  row('recipe', `largest relative difference of ${FIRST} losses`, 'first loss', `loss ${FIRST}, native`, 'WebAssembly')
  const short: Corpus = { ...corpus, validation: corpus.validation.subarray(0, 2000) } // evaluations are not compared
  for (const name of names) {
    const recipe = resolveRecipe(name)
    const native = await run(recipe, 'native', FIRST, short)
    const wasm = await run(recipe, 'wasm', FIRST, short)
    const differences = native.losses.map((loss, k) => Math.abs(loss - wasm.losses[k]!) / loss)
    const last = [native, wasm].map(({ losses }) => losses.at(-1)!.toFixed(7))
    row(name, Math.max(...differences).toExponential(1), native.losses[0]!.toFixed(7), ...last)
  }
}

async function timeAll(): Promise<void> {
  const ceilings = createCeilings({ threads, arrayBytes: 2 ** 20 }) // only the peak is asked for
  row('recipe', 'parameters', 'Gflop a step', 'step, ms (quartiles)', 'Gflop/s', 'peak beside it', 'share of the peak')
  for (const name of names) {
    const rates: number[] = []
    const recipe = resolveRecipe(name)
    const times: number[] = []
    const backend = createBackend({ backend: values.backend as BackendName, threads })
    const controller = new AbortController()
    const most = Number(values.rounds) + 1 // the first step is not counted
    const short: Corpus = { ...corpus, validation: corpus.validation.subarray(0, 600) }
    let flops = 0
    let parameters = 0
    try {
      for await (const event of train({ recipe, corpus: short, backend, out: null, signal: controller.signal })) {
        if (event.kind === 'start') parameters = event.parameters.total
        if (event.kind === 'compiled') flops = event.flopsPerStep
        if (event.kind !== 'step') continue
        if (event.step > 1) times.push(event.stepMs)
        if (event.step === most) controller.abort()
        else rates.push(ceilings.measure().peakFp32)
      }
    } finally {
      backend.dispose()
    }
    const median = at(times, 0.5)
    const shares = times.map((time, k) => flops / (time / 1000) / rates[k]!)
    const spread = `${median.toFixed(0)} (${at(times, 0.25).toFixed(0)} to ${at(times, 0.75).toFixed(0)})`
    const figures = [gigaflops(flops), spread, gigaflops((1000 * flops) / median), gigaflops(at(rates, 0.5))]
    row(name, parameters.toLocaleString('en'), ...figures, `${(100 * at(shares, 0.5)).toFixed(0)} %`)
  }
  ceilings.dispose()
}

function gigaflops(rate: number): string {
  return (rate / 1e9).toFixed(rate < 1e10 ? 1 : 0)
}

function at(list: readonly number[], share: number): number {
  return list.toSorted((a, b) => a - b)[Math.round(share * (list.length - 1))]!
}

function row(...cells: readonly (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`)
}
