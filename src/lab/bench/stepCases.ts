/** Cases that are more than one op: whole training steps, the optimizer alone, a token of generation. */
import {
  bufferName,
  graphFlops,
  precisions,
  trace,
  withPrecision,
  type Backend,
  type BackendName,
  type Graph,
  type Precision,
} from '../../engine/index.ts'
import { traceParameters } from '../../nn/index.ts'
import { parameterCount, type ParameterSpec } from '../../nn/parameter.ts'
import { compileDecoding, traceDecoding } from '../../train/decoder.ts'
import { initialiseParameters } from '../../train/index.ts'
import { scalarFiller } from '../../train/programs.ts'
import { BATCH_INPUTS, traceTrain, type StepSetup } from '../../train/step.ts'
import type { BenchCase, PreparedCase } from './benchCase.ts'
import { fillInputs } from './fill.ts'
import { LEARNING_RATE, pytorchWorkload, stepOf, workloads, type Workload } from './workloads.ts'

const SEED = 1337
const FLOAT_BYTES = 4
/** As in `pytorch.py`. */
const FIRST_LOSS_TOLERANCE = 0.5

/** How a case of whole steps differs from others. */
interface StepOptions {
  readonly quick?: boolean
  readonly backend?: BackendName
}

/** Forward, backward, clipping and AdamW, on another batch each time. */
function trainingStep(
  name: string,
  workload: Workload,
  what: string,
  { quick = false, backend }: StepOptions = {},
): BenchCase {
  const { batch, time } = workload
  return {
    name,
    description: `training step: ${what}, B ${batch}, T ${time}`,
    limit: 'peak',
    quick,
    precisions: backend === 'wasm' ? ['fp32'] : precisions,
    ...(backend === undefined ? {} : { backend }),
    compiles: true,
    pytorch: pytorchWorkload('step', workload),
    prepare: (on, precision) => prepareStep(on, workload, precision),
  }
}

function prepareStep(backend: Backend, workload: Workload, precision: Precision): PreparedCase {
  const setup = stepOf(workload)
  const graph = withPrecision(traceTrain(setup), precision)
  const executable = backend.compile(graph)
  initialiseParameters(backend, setup.parameters, SEED)
  const fillScalars = scalarFiller(backend, graph, setup)
  const { vocab } = setup.config
  let step = 0
  return {
    executable,
    flops: graphFlops(graph),
    bytes: null,
    tokens: workload.batch * workload.time,
    step() {
      fillBatch(backend, graph, setup, (k) => (k * 31 + step * 17) % vocab)
      fillScalars({ step: step++, learningRate: LEARNING_RATE })
      executable.run()
      if (step === 1) checkFirstLoss(backend.buffer(bufferName(graph.name, 'loss'), 'f32', [])[0]!, vocab)
    },
  }
}

/** What computes something else is not worth timing: an untrained model finds all V tokens alike, so its loss is ln V. */
export function checkFirstLoss(loss: number, vocab: number): void {
  const expected = Math.log(vocab)
  if (Math.abs(loss - expected) < FIRST_LOSS_TOLERANCE) return
  throw new Error(`the first loss of the step is ${loss}; expected about ln ${vocab} = ${expected.toFixed(3)}`)
}

/** Targets follow from the ids, so that there is something to learn. */
function fillBatch(backend: Backend, graph: Graph, setup: StepSetup, idAt: (k: number) => number): void {
  const { batchSize, sequenceLength, config } = setup
  const shape = [batchSize, sequenceLength]
  const ids = backend.buffer(bufferName(graph.name, BATCH_INPUTS.ids), 'i32', shape)
  const targets = backend.buffer(bufferName(graph.name, BATCH_INPUTS.targets), 'i32', shape)
  for (let k = 0; k < ids.length; k++) {
    ids[k] = idAt(k)
    targets[k] = (ids[k]! * 5 + 1) % config.vocab
  }
}

/** Reads weight, gradient and two moments, writes weight and moments. */
const ADAMW_ACCESSES = 7

function optimizerAlone(): BenchCase {
  const workload = workloads.gpt2
  return {
    name: 'adamw',
    description: 'AdamW alone over the 124 M parameters of GPT-2',
    limit: 'update',
    quick: false,
    precisions: ['fp32'],
    compiles: false,
    pytorch: pytorchWorkload('adamw', workload),
    prepare(backend) {
      const setup = stepOf(workload)
      const graph = traceOptimizer(setup)
      const executable = backend.compile(graph)
      fillInputs(backend, graph)
      const fillScalars = scalarFiller(backend, graph, setup)
      let step = 0
      return {
        executable,
        flops: graphFlops(graph),
        bytes: ADAMW_ACCESSES * FLOAT_BYTES * countOf(setup.parameters),
        tokens: null,
        step() {
          fillScalars({ step: step++, learningRate: LEARNING_RATE })
          executable.run()
        },
      }
    },
  }
}

/** Gradients are inputs; weights and moments begin as zeros. */
function traceOptimizer({ parameters, optimizer }: StepSetup): Graph {
  return trace('adamw', (context) => {
    const traced = traceParameters(context, parameters)
    const entries = parameters.map(({ name, shape }) => {
      return [name, { parameter: traced.get(name), gradient: context.input(`${name}.grad`, 'f32', shape) }] as const
    })
    return { updates: optimizer.update(context, new Map(entries), undefined) }
  })
}

/** Tokens whose keys and values are cached when the timed one is computed. */
const DECODED_AT = 1000
/** What the caches hold. */
const CACHED = 0.01

function decoding(): BenchCase {
  const workload = workloads.gpt2Long
  return {
    name: 'decode',
    description: `one token of GPT-2 124M after ${DECODED_AT} others, keys and values cached`,
    limit: 'read',
    quick: false,
    precisions: ['fp32'],
    compiles: true,
    pytorch: { ...pytorchWorkload('decode', workload), position: DECODED_AT },
    prepare(backend) {
      const setup = stepOf(workload)
      const { layers, width, vocab, context } = setup.config
      const program = compileDecoding(backend, setup, 'decode', 1)
      initialiseParameters(backend, setup.parameters, SEED)
      // Memory that was never written is one page of zeros, which is read from the cache.
      for (const { rows } of program.caches) rows.fill(CACHED, 0)
      let token = 0
      // All weights but the table of positions are read, and a key and a value of each layer for each earlier token.
      const weights = countOf(setup.parameters) - context * width
      return {
        executable: program.executable,
        flops: graphFlops(traceDecoding('decode', setup, 1)),
        bytes: FLOAT_BYTES * (weights + 2 * layers * width * DECODED_AT),
        tokens: 1,
        step: () => program.run([(token = (token * 31 + 17) % vocab)], DECODED_AT),
      }
    },
  }
}

function countOf(parameters: readonly ParameterSpec[]): number {
  return parameters.reduce((sum, { shape }) => sum + parameterCount(shape), 0)
}

export const stepCases: readonly BenchCase[] = [
  trainingStep('tiny', workloads.tiny, '1 layer, 64 wide, 65 characters', { quick: true }),
  trainingStep('nanogpt-cpu', workloads.nanogptCpu, 'nanoGPT’s CPU command, 4 layers, 128 wide, 65 characters', {
    quick: true,
  }),
  trainingStep('six-layers', workloads.sixLayers, '6 layers, 384 wide, 65 characters'),
  trainingStep('gpt2-124m', workloads.gpt2, 'GPT-2 124M'),
  trainingStep('gpt2-124m-long', workloads.gpt2Long, 'GPT-2 124M'),
  trainingStep('llama-60m', workloads.llama60m, 'LLaMA’s shape, 60 M parameters, grouped queries, SwiGLU'),
  trainingStep('gpt2-124m-wasm', workloads.gpt2Short, 'GPT-2 124M in WebAssembly', { backend: 'wasm' }),
  optimizerAlone(),
  decoding(),
]
