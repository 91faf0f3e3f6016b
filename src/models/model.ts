/** What every architecture offers. */
import type { Tensor } from '../engine/index.ts'
import type { Dropout } from '../nn/dropout.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import type { TracedParameters } from '../nn/traced.ts'

/** Sizes of a GPT; `model` of a recipe with its vocabulary settled. */
export interface ModelConfig {
  /** Transformer blocks. */
  readonly layers: number
  /** Attention heads per block; divides the width. */
  readonly heads: number
  /** Width of the residual stream. */
  readonly width: number
  /** Longest sequence. */
  readonly context: number
  /** Rows of the token table. */
  readonly vocab: number
  /** Biases in linear layers and norms. */
  readonly bias: boolean
  /** Share of activations that training drops, from 0 to less than 1. */
  readonly dropout: number
}

export interface Model {
  readonly name: string
  /** All parameters, each with its role, in the order of their use. */
  declareParameters(config: ModelConfig): readonly ParameterSpec[]
  /** ids i32 [B, T] -> logits [B·T, V]; without `dropout` nothing is dropped. */
  logits(parameters: TracedParameters, config: ModelConfig, ids: Tensor, dropout?: Dropout): Tensor
  /** The logits of some positions only: ids i32 [B, T], rows i32 [R] of the B·T -> [R, V]. */
  logitsAt(parameters: TracedParameters, config: ModelConfig, ids: Tensor, rows: Tensor): Tensor
}
