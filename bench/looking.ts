/**
 * What looking at the forces of weight decay costs: the step of `shakespeare-char-cpu`, plain and looked at, in turn.
 *
 *     npm run bench:looking -- [--pairs 300] [--every 10]
 *
 * The plain step and the one that is looked at alternate, so that a machine that slows down slows both. What a run pays
 * that looks at every k-th step is the share by which the second is longer, over k.
 */
import { parseArgs } from 'node:util'
import { createBackend } from '../src/engine/index.ts'
import { resolveRecipe } from '../src/recipes/index.ts'
import { initialiseParameters } from '../src/train/initialise.ts'
import { compilePrograms } from '../src/train/programs.ts'
import { stepSetup } from '../src/train/setup.ts'

const { values } = parseArgs({
  options: { pairs: { type: 'string', default: '300' }, every: { type: 'string', default: '10' } },
})
const { config } = resolveRecipe('shakespeare-char-cpu')
const backend = createBackend()
const { step: setup } = stepSetup(config, 65)
initialiseParameters(backend, setup.parameters, config.train.seed)
for (const { name, shape } of setup.optimizer.init(setup.parameters)) backend.buffer(name, 'f32', shape).fill(0)
const programs = compilePrograms(backend, setup, {})
const tokens = Uint16Array.from({ length: 100_000 }, (_, i) => (7 * i + ((i * i) % 31)) % 65)

let done = 0
function step(look: boolean): number {
  const begin = performance.now()
  programs.step(tokens, { step: done++, seed: 1, learningRate: 1e-4 }, look)
  return performance.now() - begin
}

for (let k = 0; k < 10; k++) step(k % 2 === 1)
const pairs = Array.from({ length: Number(values.pairs) }, (_, k) => {
  const first = step(k % 2 === 1) // each of the two goes first in every other pair
  const second = step(k % 2 === 0)
  return k % 2 === 1 ? { plain: second, looked: first } : { plain: first, looked: second }
})

const sorted = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b)
const at = (list: readonly number[], share: number): number => sorted(list)[Math.floor(share * (list.length - 1))]!
const quartiles = (list: readonly number[]): string =>
  `${at(list, 0.5).toFixed(2)} (${at(list, 0.25).toFixed(2)} to ${at(list, 0.75).toFixed(2)})`
const plain = pairs.map((pair) => pair.plain)
const looked = pairs.map((pair) => pair.looked)
const ratio = at(
  pairs.map((pair) => pair.looked / pair.plain),
  0.5,
)
console.log(backend.description)
console.log(`plain step, ms              ${quartiles(plain)}`)
console.log(`step that is looked at, ms  ${quartiles(looked)}`)
console.log(`looked at over plain        ${ratio.toFixed(4)} (median of ${pairs.length} pairs)`)
console.log(`every ${values.every} steps              +${((100 * (ratio - 1)) / Number(values.every)).toFixed(2)} %`)
for (const [name, { launches, kernels, compileMilliseconds }] of Object.entries(programs.reports)) {
  console.log(`${name}: ${launches} launches, ${kernels} kernels, compiled in ${compileMilliseconds.toFixed(0)} ms`)
}
backend.dispose()
