/**
 * Two trainers that both say "AdamW, λ = 0.1" and decay different tensors: GPT-2 small under nanoGPT's rule and OLMo-2's.
 */
import { diffLedgers, modelSetup, recipeLedger, resolveRecipe } from 'halflife'
import { renderLedgerDiff } from 'halflife/optim'

const { config } = resolveRecipe('gpt2-nanogpt@124m')
const { parameters } = modelSetup(config, 50_257)
const under = (policy: 'nanogpt' | 'olmo-2') => {
  return recipeLedger({ ...config, optimizer: { ...config.optimizer, policy } }, parameters)
}
const diff = diffLedgers(under('nanogpt'), under('olmo-2'))
console.log(renderLedgerDiff(diff), '\n')
const count = (tensors: readonly { readonly parameters: number }[]): string =>
  `${tensors.length} tensors, ${tensors.reduce((sum, { parameters }) => sum + parameters, 0)} parameters`
console.log(`decayed under olmo-2 only: ${count(diff.startDecaying)}; under nanogpt only: ${count(diff.stopDecaying)}`)
