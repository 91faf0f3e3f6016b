/**
 * How far a model of transformers computes here from what it computes there: the table of docs/parity.md.
 *
 *     npm run --silent parity > docs/parity.md
 */
import { join } from 'node:path'
import { availableBackends, createBackend } from '../src/engine/index.ts'
import { GOLDEN_FOLDER, goldenModels, isSupported, measureParity, type Difference } from '../test/golden/parity.ts'

const HEAD = `# Parity with transformers

Largest relative error (largest difference as a share of the largest value of the tensor) against transformers 5.24 and
torch 2.15 in float64, on the tiny random models of \`test/golden/huggingface\`: two layers, 12 or 16 wide, 40 tokens, two
batches of 2 × 12 tokens. Each model is read from the files that transformers saved; gradients are of every parameter,
the steps are five of AdamW (lr 0.01, λ 0.1, ε 1e-5). The tests hold every backend to logits 1e-5, loss 1e-6, gradients
1e-5, losses of the steps 1e-6, weights after them 1e-4. Made by \`npm run --silent parity\`.
`

const show = ({ worst }: Difference): string => worst.toExponential(1)

console.log(HEAD)
for (const { name, unavailable } of availableBackends()) {
  if (name === 'interpreter' || unavailable !== undefined) continue
  console.log(`## ${name}\n`)
  console.log(
    '| model | logits | loss | gradients | losses of 5 steps | weights after 5 steps |\n|---|---|---|---|---|---|',
  )
  for (const model of goldenModels.filter(isSupported)) {
    const parity = measureParity(join(GOLDEN_FOLDER, model), () => createBackend({ backend: name, threads: 1 }))
    const { logits, loss, gradients, stepLosses, stepWeights } = parity
    console.log(
      `| ${[labelOf(model, parity.format), ...[logits, loss, gradients, stepLosses, stepWeights].map(show)].join(' | ')} |`,
    )
  }
  console.log()
}

/** What the folder has besides the class. */
function labelOf(name: string, format: string): string {
  return name.endsWith('_scaled') ? `${format}, stretched wavelengths, wider heads` : format
}
