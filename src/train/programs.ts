/** The programs of a run, compiled for a backend, and how to drive them with tokens. */
import { bufferName, type Backend, type Executable, type ExecutableReport, type Graph } from '../engine/index.ts'
import { evaluationBatches, fillBatch, type Tokens } from '../data/index.ts'
import type { Role } from '../nn/parameter.ts'
import { drawsMasks, RANDOM_INPUTS } from '../nn/pass.ts'
import { readForces, type Forces } from './forces.ts'
import {
  auxiliaryNames,
  auxiliaryOutput,
  BATCH_INPUTS,
  gradientSumName,
  traceAccumulate,
  traceApply,
  traceEvaluate,
  traceNorms,
  traceTrain,
  type StepSetup,
} from './step.ts'

export interface StepPosition {
  /** Steps done before this one: 0 in the first. */
  readonly step: number
  /** 32 bits; batches and dropout follow from it and the step. */
  readonly seed: number
  readonly learningRate: number
}

export interface StepResult {
  /** Mean cross-entropy over the step's batches, before the update; nats per token. */
  readonly loss: number
  /** What else the objective has, unweighted, by name; means over the step's batches. */
  readonly auxiliaryLosses: Readonly<Record<string, number>>
  /** Before clipping. */
  readonly gradientNorm: number
  /** Null in a step that was not looked at. */
  readonly forces: Forces | null
}

/** For runs that look at the forces of some of their steps. */
export interface Look {
  /** Told of the token ids of every training batch; the array is the backend's own. */
  readonly onBatch?: (ids: Int32Array) => void
}

export interface TrainingPrograms {
  readonly reports: Readonly<Record<string, ExecutableReport>>
  /** Floating-point operations of one optimizer step. */
  readonly flopsPerStep: number
  /** One optimizer step on the batches that the position names. `look` needs programs compiled for it. */
  step(tokens: Tokens, position: StepPosition, look?: boolean): StepResult
  /** Loss summed over the targets of one split, batch by batch, so that the caller can stop in between. */
  evaluate(tokens: Tokens): Iterable<{ readonly lossSum: number; readonly count: number }>
  /** √Σ w² for each role. */
  weightNorms(): Partial<Record<Role, number>>
}

/** Traces and compiles what training with this setup needs; programs that look at the forces only where asked for. */
export function compilePrograms(backend: Backend, setup: StepSetup, look?: Look): TrainingPrograms {
  const { batchSize, sequenceLength, accumulation } = setup
  const compiled = new Map<string, Executable>()
  const compile = (graph: Graph): Executable => {
    const executable = backend.compile(graph)
    compiled.set(graph.name, executable)
    return executable
  }
  const parts = { backend, setup, compile, look }
  const run = accumulation === 1 ? wholeStep(parts) : accumulatedStep(parts)
  const evaluate = compile(traceEvaluate(setup))
  const norms = compile(traceNorms(setup))
  const roles = [...new Set(setup.parameters.map(({ role }) => role))]
  const flops = (name: string): number => compiled.get(name)?.report.flops ?? 0
  return {
    reports: Object.fromEntries([...compiled].map(([name, { report }]) => [name, report])),
    flopsPerStep: flops('train') + accumulation * flops('accumulate') + flops('apply'),
    step: run,
    *evaluate(tokens) {
      for (const { ids, targets, count } of evaluationBatches(tokens, { batchSize, context: sequenceLength })) {
        const batch = batchBuffers(backend, 'evaluate', setup)
        batch.ids.set(ids)
        batch.targets.set(targets)
        evaluate.run()
        yield { lossSum: readScalar(backend, 'evaluate', 'lossSum'), count }
      }
    },
    weightNorms() {
      norms.run()
      return Object.fromEntries(roles.map((role) => [role, Math.sqrt(readScalar(backend, 'norms', role))]))
    },
  }
}

type RunStep = TrainingPrograms['step']

interface StepParts {
  readonly backend: Backend
  readonly setup: StepSetup
  readonly compile: (graph: Graph) => Executable
  readonly look: Look | undefined
}

/** A program, and where there is one, the other that looks as well. */
interface Pair {
  /** Names of its auxiliary losses. */
  readonly auxiliary: readonly string[]
  /** Runs one of the two, once `fill` has written its inputs. Returns the name of that program and what it saw. */
  run(look: boolean, fill: (program: string) => void): { readonly program: string; readonly forces: Forces | null }
}

function compilePair(
  { backend, setup, compile, look }: StepParts,
  traceProgram: (setup: StepSetup, options: { look: boolean }) => Graph,
): Pair {
  const graphs = [false, ...(look ? [true] : [])].map((looks) => traceProgram(setup, { look: looks }))
  const programs = graphs.map((graph) => ({ name: graph.name, executable: compile(graph), outputs: graph.outputs }))
  return {
    auxiliary: auxiliaryNames(graphs[0]!),
    run(looks, fill) {
      const chosen = programs[looks ? 1 : 0]
      if (!chosen)
        throw new Error('These programs were compiled without a look at the forces; ask for one when compiling.')
      const { name, executable, outputs } = chosen
      fill(name)
      executable.run()
      return { program: name, forces: looks ? readForces(backend, name, setup, new Set(outputs.keys())) : null }
    },
  }
}

function wholeStep(parts: StepParts): RunStep {
  const { backend, setup, look } = parts
  const train = compilePair(parts, traceTrain)
  return (tokens, position, looks = false) => {
    const { program, forces } = train.run(looks, (name) => {
      fillInputs(backend, name, setup, tokens, { ...position, microStep: 0 }, look)
      setOptimizer(backend, name, setup, position)
    })
    return {
      loss: readScalar(backend, program, 'loss'),
      auxiliaryLosses: readAuxiliary(backend, program, train.auxiliary),
      gradientNorm: readScalar(backend, program, 'gradientNorm'),
      forces,
    }
  }
}

function accumulatedStep(parts: StepParts): RunStep {
  const { backend, setup, look } = parts
  const graph = traceAccumulate(setup)
  const accumulate = parts.compile(graph)
  const names = auxiliaryNames(graph)
  const apply = compilePair(parts, traceApply)
  for (const { name, shape, frozen } of setup.parameters) {
    if (frozen !== true) backend.buffer(gradientSumName(name), 'f32', shape).fill(0)
  }
  return (tokens, position, looks = false) => {
    let loss = 0
    const auxiliaryLosses = Object.fromEntries(names.map((name) => [name, 0]))
    for (let microStep = 0; microStep < setup.accumulation; microStep++) {
      fillInputs(backend, 'accumulate', setup, tokens, { ...position, microStep }, look)
      accumulate.run()
      loss += readScalar(backend, 'accumulate', 'loss') / setup.accumulation
      for (const [name, value] of Object.entries(readAuxiliary(backend, 'accumulate', names))) {
        auxiliaryLosses[name]! += value / setup.accumulation
      }
    }
    const { program, forces } = apply.run(looks, (name) => setOptimizer(backend, name, setup, position))
    return { loss, auxiliaryLosses, gradientNorm: readScalar(backend, program, 'gradientNorm'), forces }
  }
}

function readAuxiliary(backend: Backend, program: string, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, readScalar(backend, program, auxiliaryOutput(name))]))
}

/** The batch, and what random masks ask for. */
function fillInputs(
  backend: Backend,
  program: string,
  setup: StepSetup,
  tokens: Tokens,
  { step, seed, microStep }: StepPosition & { readonly microStep: number },
  look: Look | undefined,
): void {
  const { batchSize, sequenceLength, accumulation, config } = setup
  const { ids, targets } = batchBuffers(backend, program, setup)
  fillBatch(tokens, { batchSize, context: sequenceLength, seed, step, microStep }, ids, targets)
  look?.onBatch?.(ids)
  if (!drawsMasks(config)) return
  backend.buffer(bufferName(program, RANDOM_INPUTS.seed), 'i32', [])[0] = seed | 0
  backend.buffer(bufferName(program, RANDOM_INPUTS.step), 'i32', [])[0] = (step * accumulation + microStep) | 0
}

function setOptimizer(backend: Backend, program: string, { optimizer }: StepSetup, position: StepPosition): void {
  for (const [name, value] of Object.entries(optimizer.scalars(position.step + 1, position.learningRate))) {
    backend.buffer(bufferName(program, name), 'f32', [])[0] = value
  }
}

/** Asked for at each use: a backend may move its memory when it grows. */
function batchBuffers(
  backend: Backend,
  program: string,
  { batchSize, sequenceLength }: StepSetup,
): { ids: Int32Array; targets: Int32Array } {
  const shape = [batchSize, sequenceLength]
  return {
    ids: integers(backend, bufferName(program, BATCH_INPUTS.ids), shape),
    targets: integers(backend, bufferName(program, BATCH_INPUTS.targets), shape),
  }
}

/** The live memory of an i32 buffer. */
export function integers(backend: Backend, name: string, shape: readonly number[]): Int32Array {
  const buffer = backend.buffer(name, 'i32', shape)
  if (buffer instanceof Int32Array) return buffer
  throw new TypeError(`The backend ${backend.name} holds the i32 buffer ${name} as ${buffer.constructor.name}.`)
}

function readScalar(backend: Backend, program: string, output: string): number {
  return backend.buffer(bufferName(program, output), 'f32', [])[0]!
}
