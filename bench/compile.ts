/**
 * How long does a fresh process take to compile GPT-2 124M's programs?
 *
 *     npm run bench:compile -- [--recipe gpt2@124m] [--set train.batchSize=4]… [--backend native] [--processes 10] [--json]
 *
 * Processes one after another, each a new node that compiles once: the recipe and its ledger, then trace, plan, code and load
 * of all the programs of a run, at B 4 and T 256 unless told. Medians and quartiles. No time of V8's own caches is saved: what a process
 * has compiled the next one compiles again.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { spreadOf } from '../src/lab/bench/statistics.ts'

const DEFAULTS = ['train.batchSize=4', 'train.sequenceLength=256', 'train.accumulation=1']
/** GPT-2's. */
const VOCAB = 50257

const { values } = parseArgs({
  options: {
    recipe: { type: 'string', default: 'gpt2@124m' },
    set: { type: 'string', multiple: true, default: [] },
    backend: { type: 'string', default: 'native' },
    processes: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
    once: { type: 'boolean', default: false },
  },
})

/** What a process took, in milliseconds: `start` until its modules were loaded, then the parts. */
type Times = Readonly<Record<(typeof PARTS)[number], number>>
const PARTS = ['start', 'recipe', 'compile', 'total'] as const

async function once(): Promise<Times> {
  const { createBackend } = await import('../src/engine/index.ts')
  const { resolveRecipe } = await import('../src/recipes/index.ts')
  const { compilePrograms } = await import('../src/train/programs.ts')
  const { stepSetup } = await import('../src/train/setup.ts')
  const start = performance.now() // milliseconds since the process began
  const { config } = resolveRecipe(values.recipe, { set: [...DEFAULTS, ...values.set] })
  const { step } = stepSetup(config, VOCAB)
  const recipe = performance.now()
  const backend = createBackend({ backend: values.backend as 'native' | 'wasm' })
  compilePrograms(backend, step)
  const end = performance.now()
  backend.dispose()
  return { start, recipe: recipe - start, compile: end - recipe, total: end }
}

function inProcess(): Times {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2), '--once']
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Times
}

const ms = (time: number): string => time.toFixed(0).padStart(6)

function report(times: readonly Times[]): string {
  const spreads = PARTS.map((part) => Object.assign({ part }, spreadOf(times.map((time) => time[part]))))
  const machine = { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), node: process.version }
  if (values.json) return JSON.stringify({ machine, recipe: values.recipe, backend: values.backend, spreads }, null, 2)
  const meaning = {
    start: 'node, and loading the modules',
    recipe: 'recipe and ledger',
    compile: 'trace, plan, code and load of all programs',
    total: 'all of it',
  }
  const lines = spreads.map(({ part, median, lowerQuartile, upperQuartile }) => {
    return `${ms(median)} ms (${ms(lowerQuartile).trim()} – ${ms(upperQuartile).trim()})  ${meaning[part]}`
  })
  const title = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}: ${values.recipe}, ${values.backend}, ${times.length} processes`
  return [title, ...lines].join('\n')
}

if (values.once) console.log(JSON.stringify(await once()))
else console.log(report(Array.from({ length: Number(values.processes) }, inProcess)))
