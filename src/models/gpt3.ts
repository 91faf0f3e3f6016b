/**
 * GPT-3 (Brown et al. 2020, arXiv:2005.14165, §2.1): GPT-2 with attention that is dense and locally banded in turn. The
 * paper does not say which comes first, nor how wide the band is; here the first block is dense.
 */
import { declareParameters, hidden } from './gpt2.ts'
import { defineModel } from './model.ts'

/** The architecture `gpt3`, under GPT-2's names. */
export const gpt3 = defineModel({
  name: 'gpt3',
  reads: ['bias', 'window'],
  declareParameters,
  hidden: (parameters, config, ids, pass) => hidden(parameters, config, ids, pass, (layer) => windowOf(config, layer)),
  outputLayer: (parameters) => ({ weight: parameters.get('lm_head.weight'), scale: 1 }),
  windowOf,
})

function windowOf({ window }: { readonly window: number }, layer: number): number {
  return layer % 2 === 0 ? 0 : window
}
