import { readFileSync, statSync } from 'node:fs'
import { ExchangeError } from './exchangeError.ts'

/** Configurations and indices have kilobytes; the largest tokenizer.json known has some tens of megabytes. */
const LARGEST_JSON = 256 * 2 ** 20

/** Parses a JSON file of another program. Throws ExchangeError where it is missing, too large, or no JSON. */
export function readJsonFile(path: string): unknown {
  const { size } = statOrThrow(path)
  if (size > LARGEST_JSON) {
    throw new ExchangeError(path, `${path} has ${size} bytes, too many for such a file.`, 'Copy or download it again.')
  }
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new ExchangeError(path, `${path} is no JSON: it is cut off or damaged.`, 'Copy or download it again.', cause)
  }
}

function statOrThrow(path: string): { size: number } {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isFile() === true) return found
  throw new ExchangeError(
    path,
    `There is no file ${path}.`,
    'Give the folder of a model as transformers saves it: config.json beside model.safetensors.',
  )
}
