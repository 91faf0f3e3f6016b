/** A trained model of another program, ready to be read tensor by tensor: what all formats become. */
import type { ModelConfig } from '../models/index.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import type { RecipeConfig } from '../recipes/index.ts'
import type { TokenizerRecord } from '../records/index.ts'

/** A recipe's `model` section: the architecture's name and the values that it reads. */
export type ModelSettings = ModelConfig & { readonly architecture: string }

export interface Pretrained {
  /** The file or folder that it was found in. */
  readonly path: string
  /** What it is, such as `GPT2LMHeadModel` or `llama2.c`. */
  readonly format: string
  /** Types of the stored numbers, such as `F32` or `BF16, F32`. */
  readonly dtypes: string
  readonly model: ModelSettings
  /** The architecture's parameters; the file has all of them, in these shapes. */
  readonly parameters: readonly ParameterSpec[]
  /** What turns text into its tokens; null where nobody knows. */
  readonly tokenizer: TokenizerRecord | null
  /** Files that belong to it and are carried along: the configuration and the tokenizer's. */
  readonly carried: readonly string[]
  /** What someone should know, in whole sentences. */
  readonly notices: readonly string[]
  /** Of a run of this program: its configuration and the checkpoint that its weights are from. */
  readonly run?: { readonly config: RecipeConfig; readonly vocab: number; readonly checkpoint: string }
  /** The numbers of a parameter in the layout that the architecture declares, into `out`, which has its size. */
  read(parameter: ParameterSpec, out: Float32Array): void
  close(): void
}
