/** Declarations of the layers' parameters, beside the functions that use them in layers.ts and selfAttention.ts. */
import { ones, zeros, type Init, type ParameterList } from './parameter.ts'

/** `${name}.weight` [from, to] and, where asked for, `${name}.bias` [to]. */
export function declareLinear(
  list: ParameterList,
  name: string,
  [from, to]: readonly [number, number],
  init: Init,
  bias = false,
): void {
  list.declare(`${name}.weight`, [from, to], 'matrix', init)
  if (bias) list.declare(`${name}.bias`, [to], 'bias', zeros)
}

/** `${name}.weight` [width], ones, and where asked for `${name}.bias`, zeros. */
export function declareNorm(list: ParameterList, name: string, width: number, bias = false): void {
  list.declare(`${name}.weight`, [width], 'gain', ones)
  if (bias) list.declare(`${name}.bias`, [width], 'bias', zeros)
}

export interface GroupedAttentionSizes {
  readonly width: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  /** What the norms of queries and keys take together; none unless told. */
  readonly qkNorm?: QkNorm | undefined
}

/** Each head apart with one gain [D] for all (Qwen3), or all heads as one row (OLMo-2). */
export type QkNorm = 'head' | 'row'

/** Of `groupedSelfAttention`; `output` is the initialisation of what adds to the residual stream, `init` unless told. */
export function declareGroupedAttention(
  list: ParameterList,
  name: string,
  { width, heads, kvHeads, headDim, qkNorm }: GroupedAttentionSizes,
  init: Init,
  output = init,
): void {
  declareLinear(list, `${name}.q_proj`, [width, heads * headDim], init)
  declareLinear(list, `${name}.k_proj`, [width, kvHeads * headDim], init)
  declareLinear(list, `${name}.v_proj`, [width, kvHeads * headDim], init)
  declareLinear(list, `${name}.o_proj`, [heads * headDim, width], output)
  if (qkNorm === undefined) return
  declareNorm(list, `${name}.q_norm`, qkNorm === 'head' ? headDim : heads * headDim)
  declareNorm(list, `${name}.k_norm`, qkNorm === 'head' ? headDim : kvHeads * headDim)
}

/** Of `gatedMlp`; `output` is the initialisation of what adds to the residual stream, `init` unless told. */
export function declareGatedMlp(
  list: ParameterList,
  name: string,
  [width, hidden]: readonly [number, number],
  init: Init,
  output = init,
): void {
  declareLinear(list, `${name}.gate_proj`, [width, hidden], init)
  declareLinear(list, `${name}.up_proj`, [width, hidden], init)
  declareLinear(list, `${name}.down_proj`, [hidden, width], output)
}

/** The output layer `alias` [vocab, width]: the table `table` again, or a tensor of its own. */
export function declareHead(
  list: ParameterList,
  alias: string,
  { tied, vocab, width }: { readonly tied: boolean; readonly vocab: number; readonly width: number },
  table: string,
  init: Init,
): void {
  if (tied) list.tie(alias, table)
  else list.declare(alias, [vocab, width], 'head', init)
}
