/**
 * One training step of a model of one's own, compiled whole: its loss, gradients, clipping and the optimizer with its
 * weight decay.
 *
 *     const step = compileStep({ backend, parameters, optimizer, loss: (w, input) => … })
 *     step.input('x').set(batch)
 *     const { loss } = step.run({ learningRate: 1e-3 })
 */
import {
  add,
  bufferName,
  clipByGlobalNorm,
  gradient,
  graphBuffers,
  trace,
  withPrecision,
  type Backend,
  type DType,
  type NumberArray,
  type Precision,
  type Shape,
  type Tensor,
} from '../engine/index.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import { traceParameters, type TracedParameters } from '../nn/traced.ts'
import type { Optimizer } from '../optim/index.ts'
import { initialiseParameters } from './initialise.ts'

export interface CompileStepOptions {
  readonly backend: Backend
  /** Every parameter that the loss uses; frozen ones are read and left alone. */
  readonly parameters: readonly ParameterSpec[]
  /** Made over these parameters. */
  readonly optimizer: Optimizer
  /**
   * The loss, a scalar [], from the parameters by name and from inputs that it declares by asking for them: f32 unless
   * told. Called once; what it computes with is traced, not calculated.
   */
  readonly loss: (parameters: TracedParameters, input: (name: string, shape: Shape, dtype?: DType) => Tensor) => Tensor
  /** Largest global gradient norm; default 0, which never clips. */
  readonly clip?: number
  /** What matrix products and attention multiply in; default fp32. */
  readonly precision?: Precision
  /** 32 bits, for the first values of the parameters; default 0. */
  readonly seed?: number
  /** Of the program; default `step`. A backend that compiles several steps needs a name for each. */
  readonly name?: string
}

export interface CompiledStep {
  /** The live memory of an input that the loss declared, in row-major order. Throws for another name. */
  input(name: string): NumberArray
  /** The live memory of a parameter or of a state of the optimizer. Throws for another name. */
  values(name: string): NumberArray
  /**
   * One step on what the inputs hold. `step` counts from 1 and goes on by itself; `learningRate` is by default the
   * optimizer's own. Returns what was before the step: the loss without a penalty, the gradients' norm before clipping,
   * and the penalty (λ/2)·‖w‖² under the form `loss-l2`, else 0. Throws RangeError as the optimizer's `scalars` does.
   */
  run(at?: { readonly step?: number; readonly learningRate?: number }): StepMeasures
}

export interface StepMeasures {
  readonly loss: number
  readonly gradientNorm: number
  readonly penalty: number
}

/** Traces and compiles the step, and gives the parameters their first values; the optimizer's state starts at 0. */
export function compileStep(options: CompileStepOptions): CompiledStep {
  const { backend, parameters, optimizer, seed = 0, name = 'step' } = options
  const graph = withPrecision(traceStep(name, options), options.precision ?? 'fp32')
  const executable = backend.compile(graph)
  const buffers = new Map(graphBuffers(graph).map((buffer) => [buffer.buffer, buffer]))
  const live = (buffer: string, shown: string, kind: 'input' | 'state'): NumberArray => {
    const known = buffers.get(buffer)
    if (known?.kind === kind) return backend.buffer(buffer, known.dtype, known.shape)
    const all = [...buffers.values()].filter((other) => other.kind === kind).map((other) => other.buffer)
    const names = kind === 'input' ? all.map((other) => other.slice(name.length + 1)) : all
    throw new TypeError(`The program "${name}" has no ${kind} "${shown}"; it has ${names.join(', ')}.`)
  }
  const scalar = (label: string): NumberArray => backend.buffer(bufferName(name, label), 'f32', [])
  const measured = (label: string): number => (graph.outputs.has(label) ? scalar(label)[0]! : 0)
  initialiseParameters(backend, parameters, seed)
  for (const state of optimizer.init(parameters)) backend.buffer(state.name, 'f32', state.shape).fill(0)
  let done = 0
  return {
    input: (input) => live(bufferName(name, input), input, 'input'),
    values: (state) => live(state, state, 'state'),
    run({ step = done + 1, learningRate } = {}) {
      for (const [label, value] of Object.entries(optimizer.scalars(step, learningRate))) {
        if (buffers.has(bufferName(name, label))) scalar(label)[0] = value
      }
      executable.run()
      done = step
      return { loss: measured('loss'), gradientNorm: measured('gradientNorm'), penalty: measured('penalty') }
    },
  }
}

function traceStep(name: string, { parameters, optimizer, loss: lossOf, clip = 0 }: CompileStepOptions) {
  const trained = parameters.filter(({ frozen }) => frozen !== true).map((parameter) => parameter.name)
  return trace(name, (context) => {
    const traced = traceParameters(context, parameters)
    const loss = lossOf(traced, (input, shape, dtype = 'f32') => context.input(input, dtype, shape))
    const penalty = optimizer.penalty(context, new Map(trained.map((each) => [each, traced.get(each)])))
    const gradients = gradient(
      penalty ? add(loss, penalty) : loss,
      trained.map((each) => traced.get(each)),
    )
    const { norm, coefficient } = clipByGlobalNorm(gradients, clip)
    const entries = trained.map((each, k) => [each, { parameter: traced.get(each), gradient: gradients[k]! }] as const)
    const updates = optimizer.update(context, new Map(entries), clip > 0 ? coefficient : undefined)
    return { outputs: { loss, gradientNorm: norm, ...(penalty ? { penalty } : {}) }, updates }
  })
}
