/** GPT-2's parameters by formula, for tests: names, shapes and roles as in openai/gpt-2 and nanoGPT, head tied. */
import { normal, ones, parameterList, zeros, type ParameterSpec } from '../nn/parameter.ts'

export interface Gpt2Size {
  readonly layers: number
  readonly width: number
  readonly context: number
  readonly vocab: number
  readonly bias: boolean
}

/** nanoGPT's CPU command: 804,096 parameters. */
export const SHAKESPEARE: Gpt2Size = { layers: 4, width: 128, context: 64, vocab: 65, bias: false }
/** GPT-2 small: 124,439,808 parameters. */
export const GPT2_124M: Gpt2Size = { layers: 12, width: 768, context: 1024, vocab: 50257, bias: true }

export function gpt2Parameters({ layers, width, context, vocab, bias }: Gpt2Size): readonly ParameterSpec[] {
  const list = parameterList()
  const norm = (name: string): void => {
    list.declare(`${name}.weight`, [width], 'gain', ones)
    if (bias) list.declare(`${name}.bias`, [width], 'bias', zeros)
  }
  const linear = (name: string, to: number, from: number): void => {
    list.declare(`${name}.weight`, [to, from], 'matrix', normal(0.02))
    if (bias) list.declare(`${name}.bias`, [to], 'bias', zeros)
  }
  list.declare('wte.weight', [vocab, width], 'embedding', normal(0.02))
  list.declare('wpe.weight', [context, width], 'position', normal(0.02))
  for (let layer = 0; layer < layers; layer++) {
    norm(`h.${layer}.ln_1`)
    linear(`h.${layer}.attn.c_attn`, 3 * width, width)
    linear(`h.${layer}.attn.c_proj`, width, width)
    norm(`h.${layer}.ln_2`)
    linear(`h.${layer}.mlp.c_fc`, 4 * width, width)
    linear(`h.${layer}.mlp.c_proj`, width, 4 * width)
  }
  norm('ln_f')
  list.tie('lm_head.weight', 'wte.weight')
  return list.list()
}
