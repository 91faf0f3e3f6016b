/** A compiled step of any optimizer on gradients that the test chooses, on any backend. */
import { add, createInterpreterBackend, gradient, mul, sum, trace, type Backend, type Tensor } from '../engine/index.ts'
import { normal, parameterList, zeros, type ParameterSpec, type Role } from '../nn/parameter.ts'
import { traceParameters, type TracedParameters } from '../nn/traced.ts'
import type { Optimizer } from './optimizer.ts'

export type Loss = (parameters: TracedParameters, input: (name: string, shape: readonly number[]) => Tensor) => Tensor

export interface Stepper {
  readonly backend: Backend
  /** One step, `t` counted from 1; returns the loss before it, without a penalty. */
  step(t: number, learningRate?: number): number
  read(name: string): number[]
  fill(name: string, values: readonly number[] | number): void
  input(name: string, shape: readonly number[], values: readonly number[]): void
  /** How often the backend compiled a graph since the stepper took it. */
  compilations(): number
}

export interface StepperOptions {
  readonly backend?: Backend
  /** Parameters to update beside the trainable ones, such as frozen ones. */
  readonly alsoUpdate?: readonly string[]
  /** Multiplies the gradients, as clipping does. */
  readonly scale?: number
}

/** Parameters by name, shape and role. */
export function declare(
  entries: readonly (readonly [name: string, shape: readonly number[], role: Role])[],
): readonly ParameterSpec[] {
  const list = parameterList()
  for (const [name, shape, role] of entries) list.declare(name, shape, role, shape.length > 1 ? normal(1) : zeros)
  return list.list()
}

/** Compiles one step of `optimizer` on `loss`; all state starts at 0, as the trainer leaves it. */
export function stepper(
  specs: readonly ParameterSpec[],
  optimizer: Optimizer,
  loss: Loss,
  { backend = createInterpreterBackend({ precision: 'f64' }), alsoUpdate = [], scale }: StepperOptions = {},
): Stepper {
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]))
  const trained = specs.filter(({ name, frozen }) => frozen !== true || alsoUpdate.includes(name))
  for (const { name, shape } of optimizer.init(specs)) {
    shapes.set(name, shape)
    backend.buffer(name, 'f32', shape).fill(0)
  }
  let compilations = 0
  const compile = backend.compile.bind(backend)
  backend.compile = (graph) => {
    compilations++
    return compile(graph)
  }
  const compiled = backend.compile(
    trace('step', (context) => {
      const parameters = traceParameters(context, specs)
      const value = loss(parameters, (name, shape) => context.input(name, 'f32', shape))
      const weights = new Map(trained.map(({ name }) => [name, parameters.get(name)]))
      const penalty = optimizer.penalty(context, weights)
      const total = penalty ? add(value, penalty) : value
      const gradients = gradient(total, [...weights.values()])
      const entries = [...weights].map(
        ([name, parameter], k) => [name, { parameter, gradient: gradients[k]! }] as const,
      )
      const factor = scale === undefined ? undefined : context.input('scale', 'f32', [])
      return { outputs: { loss: value }, updates: optimizer.update(context, new Map(entries), factor) }
    }),
  )
  const buffer = (name: string) => {
    const shape = shapes.get(name)
    if (!shape) throw new Error(`There is no buffer ${name}.`)
    return backend.buffer(name, 'f32', shape)
  }
  if (scale !== undefined) backend.buffer('step/scale', 'f32', [])[0] = scale
  return {
    backend,
    read: (name) => [...buffer(name)],
    fill: (name, values) => {
      if (typeof values === 'number') buffer(name).fill(values)
      else buffer(name).set(values)
    },
    input: (name, shape, values) => backend.buffer(`step/${name}`, 'f32', shape).set(values),
    step: (t, learningRate) => {
      for (const [name, value] of Object.entries(optimizer.scalars(t, learningRate))) {
        backend.buffer(`step/${name}`, 'f32', [])[0] = value
      }
      compiled.run()
      return backend.buffer('step/loss', 'f32', [])[0]!
    },
    compilations: () => compilations,
  }
}

export interface ChosenGradients extends Stepper {
  /** dLoss/d(the parameter), for the steps from now on. */
  gradient(name: string, values: readonly number[] | number): void
}

/** The loss Σ w·g, whose gradient is whatever `gradient` sets; 0 until then. */
export function chosenGradients(
  specs: readonly ParameterSpec[],
  optimizer: Optimizer,
  options: StepperOptions = {},
): ChosenGradients {
  const moved = specs.filter(({ name, frozen }) => frozen !== true || options.alsoUpdate?.includes(name) === true)
  const run = stepper(
    specs,
    optimizer,
    (parameters, input) =>
      moved
        .map(({ name, shape }) => sum(mul(parameters.get(name), input(`g.${name}`, shape))))
        .reduce((total, part) => add(total, part)),
    options,
  )
  for (const { name, shape } of moved) run.backend.buffer(`step/g.${name}`, 'f32', shape).fill(0)
  return {
    ...run,
    gradient: (name, values) => {
      const { shape } = specs.find((spec) => spec.name === name)!
      const buffer = run.backend.buffer(`step/g.${name}`, 'f32', shape)
      if (typeof values === 'number') buffer.fill(values)
      else buffer.set(values)
    },
  }
}
