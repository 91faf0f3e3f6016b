/**
 * What is known of one of transformers' classes: which architecture it is here, how its config.json reads, and under
 * which names and in which layout its files hold the parameters. One file per class; classes.ts lists them.
 */
import type { ParameterSpec } from '../../nn/parameter.ts'
import type { ModelSettings } from '../pretrained.ts'
import type { ConfigReader } from './configReader.ts'

/** A tensor of the file: a parameter, or a block of one that lies in it in one piece. */
export interface Piece {
  /** Name in the file. */
  readonly name: string
  /** Shape in the file. */
  readonly shape: readonly number[]
  /** The element of the parameter that the piece begins with. */
  readonly begin: number
  /** Whether the file holds [out, in] where the parameter is [in, out]. */
  readonly transposed: boolean
}

export interface ModelClass {
  /** `architectures[0]` of config.json. */
  readonly name: string
  /** `model_type` of config.json. */
  readonly modelType: string
  /** Name of the architecture here. */
  readonly architecture: string
  /** Throws ExchangeError where the configuration asks for what the architecture does not have. */
  readConfig(config: ConfigReader): ModelSettings
  /** The values of config.json that say what `model` is. Throws ExchangeError where the class cannot be it. */
  writeConfig(model: ModelSettings): Readonly<Record<string, unknown>>
  /** Before the names of all parameters but the output layer's; files of the bare model lack it. */
  readonly prefix: string
  /** The output layer's name, here and in the file. */
  readonly head: string
  /** Whether weights of linear maps are [out, in] in the file, as nn.Linear's are. */
  readonly transposed: boolean
  /** Where the file has a parameter that it splits or names otherwise; undefined for all others. */
  readonly split?: (parameter: ParameterSpec) => readonly Piece[] | undefined
  /** Tensors of the file that hold nothing trained: masks and tables that older versions saved. */
  readonly ignored: RegExp
  /** The model whose parameters a file has, where it has more than `model`: those are zero. */
  readonly completed?: (model: ModelSettings) => ModelSettings
}

/** Where the file has a parameter. */
export function piecesOf(modelClass: ModelClass, parameter: ParameterSpec): readonly Piece[] {
  const { name, shape, role } = parameter
  const transposed = modelClass.transposed && (role === 'matrix' || role === 'router')
  return (
    modelClass.split?.(parameter) ?? [
      { name: nameInFile(modelClass, name), shape: transposed ? shape.toReversed() : shape, begin: 0, transposed },
    ]
  )
}

/** The name in the file of a parameter that has one of its own there. */
export function nameInFile({ prefix, head }: ModelClass, name: string): string {
  return name === head ? name : `${prefix}${name}`
}
