/**
 * A model as transformers saved it against what transformers computed of it (huggingface.py): read, run, trained for
 * five steps, each time on the tensors of the folder itself. All differences are relative (relativeDifference).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openSafetensors } from '../../src/checkpoint/index.ts'
import { bufferName, trace, type Backend } from '../../src/engine/index.ts'
import { openHuggingFace, type Pretrained } from '../../src/exchange/index.ts'
import { classOfArchitecture } from '../../src/exchange/huggingface/classes.ts'
import { parameterReader, type ParameterReader } from '../../src/exchange/huggingface/parameterReader.ts'
import { findModel, logitsOf, models } from '../../src/models/index.ts'
import { evaluationPass, parameterCount, traceParameters, type ParameterSpec } from '../../src/nn/index.ts'
import { adamw } from '../../src/optim/index.ts'
import { gradientSumName, traceAccumulate, traceTrain, type StepSetup } from '../../src/train/step.ts'
import { relativeDifference } from './relativeDifference.ts'

/** From the root of the project, where tests and benchmarks run. */
export const GOLDEN_FOLDER = resolve('test/golden/huggingface')

/** The golden folders by name. */
export const goldenModels: readonly string[] = readdirSync(GOLDEN_FOLDER).toSorted()

interface Expected {
  readonly source: string
  readonly optimizer: { lr: number; betas: [number, number]; eps: number; weight_decay: number }
  readonly batches: readonly { readonly ids: readonly (readonly number[])[]; readonly loss: number }[]
  readonly steps: readonly number[]
}

export interface Difference {
  readonly worst: number
  /** The tensor, batch or step that has it. */
  readonly where: string
}

export interface Parity {
  readonly format: string
  readonly logits: Difference
  readonly loss: Difference
  /** Over all parameters. */
  readonly gradients: Difference
  /** Losses of the five steps. */
  readonly stepLosses: Difference
  /** All parameters after them. */
  readonly stepWeights: Difference
}

/** A backend for each program, so that none meets the states of another. */
export function measureParity(folder: string, createBackend: () => Backend): Parity {
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected
  const pretrained = openHuggingFace(folder)
  const golden = openGolden(folder, pretrained)
  try {
    const using = <T>(run: (backend: Backend) => T): T => {
      const backend = createBackend()
      try {
        fillParameters(backend, pretrained)
        return run(backend)
      } finally {
        backend.dispose()
      }
    }
    const setup = stepSetup(pretrained, expected)
    return {
      format: pretrained.format,
      logits: using((backend) => compareLogits(backend, pretrained, expected, golden.tensor)),
      ...using((backend) => compareGradients(backend, setup, expected, golden.reader('gradient.'))),
      ...using((backend) => compareSteps(backend, setup, expected, golden.reader('after.'))),
    }
  } finally {
    golden.close()
    pretrained.close()
  }
}

/** Whether the architecture of a golden folder is there. */
export function isSupported(name: string): boolean {
  return models.has(name.replace(/_scaled$/, '').replace('_', '-'))
}

function openGolden(folder: string, { model, parameters }: Pretrained) {
  const file = openSafetensors(join(folder, 'expected.safetensors'))
  const modelClass = classOfArchitecture(model.architecture)
  if (modelClass === undefined) throw new Error(`No class of transformers is ${model.architecture}.`)
  return {
    close: file.close,
    tensor: (name: string) => file.read(name),
    /** Reads the tensors whose names begin with `prefix` as if they were the model's. */
    reader(prefix: string): ParameterReader {
      const own = [...file.tensors].filter(([name]) => name.startsWith(prefix))
      const stored = {
        path: file.path,
        tensors: new Map(own.map(([name, info]) => [name.slice(prefix.length), { ...info, path: file.path }])),
        read: (name: string, out: Float32Array) => file.read(`${prefix}${name}`, out),
        close: () => {},
      }
      return parameterReader(stored, modelClass, parameters)
    },
  }
}

function fillParameters(backend: Backend, { parameters, read }: Pretrained): void {
  for (const parameter of parameters) {
    const values = new Float32Array(parameterCount(parameter.shape))
    read(parameter, values)
    backend.buffer(parameter.name, 'f32', parameter.shape).set(values)
  }
}

function stepSetup({ model: config, parameters }: Pretrained, { optimizer, batches }: Expected): StepSetup {
  const groups = [
    { params: parameters.filter(({ shape }) => shape.length >= 2), weightDecay: optimizer.weight_decay },
    { params: parameters.filter(({ shape }) => shape.length < 2), weightDecay: 0 },
  ]
  const { lr: learningRate, betas, eps } = optimizer
  const [batchSize, sequenceLength] = shapeOf(batches[0]!)
  return {
    model: findModel(config.architecture),
    config: { ...config, dropout: 0 },
    parameters,
    optimizer: adamw(groups, { learningRate, betas, eps }),
    batchSize,
    sequenceLength,
    accumulation: 1,
    clip: 0,
  }
}

function shapeOf({ ids }: Expected['batches'][number]): [number, number] {
  return [ids.length, ids[0]!.length]
}

/** As transformers computes a model's own loss: the target is the next token, the last one has none. */
function fillBatch(backend: Backend, program: string, batch: Expected['batches'][number]): void {
  const shape = shapeOf(batch)
  backend.buffer(bufferName(program, 'ids'), 'i32', shape).set(batch.ids.flat())
  const targets = batch.ids.flatMap((row) => [...row.slice(1), -1])
  backend.buffer(bufferName(program, 'targets'), 'i32', shape).set(targets)
}

function compareLogits(
  backend: Backend,
  { model: config, parameters }: Pretrained,
  { batches }: Expected,
  golden: (name: string) => Float32Array,
): Difference {
  const model = findModel(config.architecture)
  const shape = shapeOf(batches[0]!)
  const program = backend.compile(
    trace('logits', (context) => {
      const traced = traceParameters(context, parameters)
      const x = model.hidden(traced, config, context.input('ids', 'i32', shape), evaluationPass())
      return { outputs: { logits: logitsOf(x, model.outputLayer(traced, config)) } }
    }),
  )
  return worst(
    batches.map((batch, i) => {
      backend.buffer(bufferName('logits', 'ids'), 'i32', shape).set(batch.ids.flat())
      program.run()
      const logits = backend.buffer(bufferName('logits', 'logits'), 'f32', [shape[0] * shape[1], config.vocab])
      return [`batch ${i}`, relativeDifference(logits, golden(`logits.${i}`))]
    }),
  )
}

function compareGradients(
  backend: Backend,
  setup: StepSetup,
  { batches }: Expected,
  golden: ParameterReader,
): Pick<Parity, 'loss' | 'gradients'> {
  const program = backend.compile(traceAccumulate(setup))
  const sums = (): void => {
    for (const { name, shape } of setup.parameters) backend.buffer(gradientSumName(name), 'f32', shape).fill(0)
  }
  const losses = batches.map((batch, i): [string, number] => {
    sums()
    fillBatch(backend, 'accumulate', batch)
    program.run()
    return [`batch ${i}`, relativeDifference([readLoss(backend, 'accumulate')], [batch.loss])]
  })
  sums()
  fillBatch(backend, 'accumulate', batches[0]!)
  program.run()
  return { loss: worst(losses), gradients: compareTensors(backend, setup.parameters, golden, gradientSumName) }
}

function compareSteps(
  backend: Backend,
  setup: StepSetup,
  { batches, optimizer, steps }: Expected,
  golden: ParameterReader,
): Pick<Parity, 'stepLosses' | 'stepWeights'> {
  const program = backend.compile(traceTrain(setup))
  for (const { name, shape } of setup.optimizer.init(setup.parameters)) backend.buffer(name, 'f32', shape).fill(0)
  const losses = steps.map((loss, step): [string, number] => {
    fillBatch(backend, 'train', batches[step % batches.length]!)
    for (const [name, value] of Object.entries(setup.optimizer.scalars(step + 1, optimizer.lr))) {
      backend.buffer(bufferName('train', name), 'f32', [])[0] = value
    }
    program.run()
    return [`step ${step + 1}`, relativeDifference([readLoss(backend, 'train')], [loss])]
  })
  const stepWeights = compareTensors(backend, setup.parameters, golden, (name) => name)
  return { stepLosses: worst(losses), stepWeights }
}

function compareTensors(
  backend: Backend,
  parameters: readonly ParameterSpec[],
  golden: ParameterReader,
  bufferOf: (name: string) => string,
): Difference {
  return worst(
    parameters.map((parameter) => {
      const expected = new Float32Array(parameterCount(parameter.shape))
      golden(parameter, expected)
      const ours = backend.buffer(bufferOf(parameter.name), 'f32', parameter.shape)
      return [parameter.name, relativeDifference(ours, expected)]
    }),
  )
}

function readLoss(backend: Backend, program: string): number {
  return backend.buffer(bufferName(program, 'loss'), 'f32', [])[0]!
}

function worst(differences: readonly (readonly [string, number])[]): Difference {
  const [where = '', value = 0] = differences.toSorted(([, a], [, b]) => b - a)[0] ?? []
  return { worst: value, where }
}
