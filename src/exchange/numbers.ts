/** The numbers of a model on their way from one file to another. */
import type { FloatDtype } from '../checkpoint/index.ts'
import { parameterCount, type ParameterSpec } from '../nn/parameter.ts'
import { ExchangeError } from './exchangeError.ts'
import type { Pretrained } from './pretrained.ts'

/** Half-way between the largest F16, 65,504, and what would come next: from here on it rounds to infinity. */
const F16_LIMIT = 65_520

/** Reads parameters and keeps the last one, for files that hold it in several pieces. */
export function lastRead(source: Pretrained): (parameter: ParameterSpec) => Float32Array {
  let name: string | undefined
  let numbers = new Float32Array(0)
  return (parameter) => {
    if (parameter.name !== name) {
      numbers = new Float32Array(parameterCount(parameter.shape))
      source.read(parameter, numbers)
      name = parameter.name
    }
    return numbers
  }
}

/** Throws ExchangeError where a finite number would become infinite in that type. */
export function checkRange(numbers: Float32Array, dtype: FloatDtype, name: string, path: string): void {
  if (dtype !== 'F16') return
  const large = numbers.find((value) => Math.abs(value) >= F16_LIMIT && Number.isFinite(value))
  if (large === undefined) return
  throw new ExchangeError(
    path,
    `${name} has the number ${large}, and F16 ends at 65,504.`,
    'Write BF16 or F32, which have the range of float32.',
  )
}
