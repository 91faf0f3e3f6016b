/** The classes of transformers that are read and written, and how one is found. */
import { z } from 'zod'
import { ExchangeError } from '../exchangeError.ts'
import type { ConfigReader } from './configReader.ts'
import { gpt2Class } from './gpt2.ts'
import { gptNeoxClass } from './gptNeox.ts'
import { llamaClass } from './llama.ts'
import { mistralClass, olmo2Class, qwen3Class } from './llamaRelatives.ts'
import { mixtralClass } from './mixtral.ts'
import type { ModelClass } from './modelClass.ts'

export const modelClasses: readonly ModelClass[] = [
  gpt2Class,
  llamaClass,
  mistralClass,
  mixtralClass,
  olmo2Class,
  qwen3Class,
  gptNeoxClass,
]

const names = z.array(z.string())

/** The class that a config.json names; without `architectures`, the one of its `model_type`. Throws ExchangeError. */
export function classOfConfig(config: ConfigReader): ModelClass {
  const [name] = config.read('architectures', names, [])
  const modelType = config.read('model_type', z.string(), '')
  const found = modelClasses.find((known) => (name === undefined ? known.modelType === modelType : known.name === name))
  if (found !== undefined) return found
  throw new ExchangeError(
    config.path,
    `${config.path} is of the class ${name ?? (modelType || 'that nobody names')}, which is not supported.`,
    `Supported are ${modelClasses.map((known) => known.name).join(', ')}.`,
  )
}

/** The class that an architecture is written as; undefined where transformers has none. */
export function classOfArchitecture(architecture: string): ModelClass | undefined {
  return modelClasses.find((known) => known.architecture === architecture)
}
