/** Where the parameters of an architecture are among the tensors of a class of transformers. */
import { expectTensors, FLOAT_DTYPES, isFloatDtype } from '../../checkpoint/index.ts'
import { parameterCount, type ParameterSpec } from '../../nn/parameter.ts'
import { ExchangeError } from '../exchangeError.ts'
import { transposeInto } from '../transpose.ts'
import { nameInFile, piecesOf, type ModelClass, type Piece } from './modelClass.ts'
import type { StoredTensors } from './shards.ts'

/** Reads a parameter into `out`, in the layout that its architecture declares. */
export type ParameterReader = (parameter: ParameterSpec, out: Float32Array) => void

/**
 * Finds every parameter among the tensors of a file, with or without the class's prefix.
 * Throws CheckpointError where one is missing or has another shape, and where a tensor is none of them.
 */
export function parameterReader(
  stored: StoredTensors,
  modelClass: ModelClass,
  parameters: readonly ParameterSpec[],
): ParameterReader {
  const { prefix, ignored } = modelClass
  const bare = (name: string): string => (name.startsWith(prefix) ? name.slice(prefix.length) : name)
  const nameIn = (name: string): string =>
    !stored.tensors.has(name) && stored.tensors.has(bare(name)) ? bare(name) : name
  const places = new Map(
    parameters.map((parameter) => {
      const pieces = piecesOf(modelClass, parameter).map(({ name, shape, begin, transposed }): Piece => ({
        name: nameIn(name),
        shape,
        begin,
        transposed,
      }))
      return [parameter.name, pieces] as const
    }),
  )
  const expected = new Map([...places.values()].flat().map(({ name, shape }) => [name, shape]))
  // A tied tensor may be saved under its other name as well; transformers does not read that one either.
  const tied = new Set(parameters.flatMap(({ aliases }) => aliases.map((alias) => nameInFile(modelClass, alias))))
  const found = [...stored.tensors].filter(([name]) => expected.has(name) || !(ignored.test(name) || tied.has(name)))
  const about = {
    path: stored.path,
    what: 'weights',
    hint: 'The files are not those of the model that config.json describes: get both from one place.',
  }
  expectTensors(new Map(found), expected, about)
  for (const [name, { dtype, path }] of found) {
    if (isFloatDtype(dtype)) continue
    throw new ExchangeError(
      path,
      `The tensor ${name} of ${path} is stored as ${dtype}.`,
      `The types that are read are ${FLOAT_DTYPES.join(', ')}; load the model with transformers and save it as one of them.`,
    )
  }
  return (parameter, out) => readParameter(stored, places.get(parameter.name) ?? [], out)
}

/** Reads a parameter piece by piece; a transposed one passes through memory of its own size. */
function readParameter(stored: StoredTensors, pieces: readonly Piece[], out: Float32Array): void {
  for (const { name, shape, begin, transposed } of pieces) {
    const block = out.subarray(begin, begin + parameterCount(shape))
    if (transposed) {
      const [rows = 1, columns = 1] = shape
      transposeInto(stored.read(name, new Float32Array(block.length)), rows, columns, block)
    } else {
      stored.read(name, block)
    }
  }
}
