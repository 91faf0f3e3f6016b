/**
 * Does training in bf16 reach the loss of fp32? Trains a recipe in both, over several seeds, and tells the validation loss
 * of each run by step, on the whole split.
 *
 *     npm run bench:precision -- --data input.txt [--recipe shakespeare-char-cpu] [--seeds 1337,1,2] [--steps 2000] [--every 500]
 *
 * A processor without instructions for bf16 computes the same products by ops on f32, so that losses, though not times,
 * mean the same there.
 */
import { parseArgs } from 'node:util'
import { loadCorpus } from '../src/data/index.ts'
import { createBackend, precisions, type Precision } from '../src/engine/index.ts'
import { resolveRecipe } from '../src/recipes/index.ts'
import { train } from '../src/train/index.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    recipe: { type: 'string', default: 'shakespeare-char-cpu' },
    seeds: { type: 'string', default: '1337,1,2' },
    steps: { type: 'string', default: '2000' },
    every: { type: 'string', default: '500' },
    threads: { type: 'string' },
  },
})
if (values.data === undefined) throw new Error('Say with --data what to train on.')
const corpus = await loadCorpus({ data: values.data, tokenizer: 'char' })

interface Curve {
  readonly name: string
  readonly byStep: ReadonlyMap<number, number>
}

async function curve(precision: Precision, seed: string): Promise<Curve> {
  const recipe = resolveRecipe(values.recipe, {
    set: [
      `train.precision=${precision}`,
      `train.seed=${seed}`,
      `schedule.steps=${values.steps}`,
      `train.evalEvery=${values.every}`,
    ],
  })
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) }
  const backend = createBackend({ backend: 'native', expandBf16: true, ...threads })
  const byStep = new Map<number, number>()
  const start = performance.now()
  try {
    for await (const event of train({ recipe, corpus, backend, out: null })) {
      if (event.kind === 'evaluation') byStep.set(event.step, event.valLoss)
    }
  } finally {
    backend.dispose()
  }
  const losses = [...byStep].map(([step, loss]) => `${step}: ${loss.toFixed(4)}`).join('  ')
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(`${precision} seed ${seed}  ${losses}  (${seconds} s, ${backend.description})`)
  return { name: `${precision} ${seed}`, byStep }
}

const final = new Map<Precision, number[]>(precisions.map((precision) => [precision, []]))
for (const seed of values.seeds.split(',')) {
  for (const precision of precisions)
    final.get(precision)!.push([...(await curve(precision, seed)).byStep.values()].at(-1)!)
}
for (const [precision, losses] of final) {
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  const spread = Math.max(...losses) - Math.min(...losses)
  console.log(`${precision}: mean ${mean.toFixed(4)}, from least to most ${spread.toFixed(4)}`)
}
