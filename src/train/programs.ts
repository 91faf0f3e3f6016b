/** The programs of a run, compiled for a backend, and how to drive them with tokens. */
import {
  bufferName,
  graphBuffers,
  withPrecision,
  type Backend,
  type Executable,
  type ExecutableReport,
  type Graph,
} from '../engine/index.ts'
import { evaluationBatches, fillBatch, type Tokens } from '../data/index.ts'
import type { Role } from '../nn/parameter.ts'
import { drawsMasks, RANDOM_INPUTS } from '../nn/pass.ts'
import { readForces, type Forces } from './forces.ts'
import {
  auxiliaryNames,
  auxiliaryOutput,
  BATCH_INPUTS,
  gradientSumName,
  PENALTY_OUTPUT,
  traceAccumulate,
  traceApply,
  traceEvaluate,
  traceNorms,
  tracePublish,
  traceTrain,
  type StepSetup,
} from './step.ts'

export interface StepPosition {
  /** Steps done before this one: 0 in the first. */
  readonly step: number
  /** 32 bits; batches and dropout follow from it and the step. */
  readonly seed: number
  readonly learningRate: number
  /** Steps done when the optimizer's state was zero; default 0, and other than that where it was started anew on resume. */
  readonly optimizerStart?: number
}

export interface StepResult {
  /** Mean cross-entropy over the step's batches, before the update; nats per token. */
  readonly loss: number
  /** What else the objective has, unweighted, by name; means over the step's batches. */
  readonly auxiliaryLosses: Readonly<Record<string, number>>
  /** What the decay adds to the loss, before the update; null unless it acts there. */
  readonly penalty: number | null
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
  /** Replaces the weights by those that the optimizer would publish, where they differ; training cannot go on after it. */
  publish(): void
}

/** Traces and compiles what training with this setup needs; programs that look at the forces only where asked for. */
export function compilePrograms(backend: Backend, setup: StepSetup, look?: Look): TrainingPrograms {
  const { batchSize, sequenceLength, accumulation, precision = 'fp32', recompute = false } = setup
  const compiled = new Map<string, Executable>()
  const compile = (graph: Graph): Executable => {
    const executable = backend.compile({ ...withPrecision(graph, precision), recomputes: recompute })
    compiled.set(graph.name, executable)
    return executable
  }
  const parts = { backend, setup, compile, look }
  const run = accumulation === 1 ? wholeStep(parts) : accumulatedStep(parts)
  const evaluate = compile(traceEvaluate(setup))
  const norms = compile(traceNorms(setup))
  const publication = tracePublish(setup)
  const publish = publication === null ? null : compile(publication)
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
    publish: () => publish?.run(),
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
  /** The one that does not look. */
  readonly plain: Graph
  /** Runs one of the two, once `fill` has written what else it asks for than the optimizer's scalars. */
  run(look: boolean, position: StepPosition, fill?: (program: string) => void): PairResult
}

interface PairResult {
  /** The name of the program that ran. */
  readonly program: string
  readonly forces: Forces | null
}

function compilePair(
  { backend, setup, compile, look }: StepParts,
  traceProgram: (setup: StepSetup, options: { look: boolean }) => Graph,
): Pair {
  const graphs = [false, ...(look ? [true] : [])].map((looks) => traceProgram(setup, { look: looks }))
  const programs = graphs.map((graph) => {
    return { ...graph, executable: compile(graph), fillScalars: scalarFiller(backend, graph, setup) }
  })
  return {
    plain: graphs[0]!,
    run(looks, position, fill) {
      const chosen = programs[looks ? 1 : 0]
      if (!chosen)
        throw new Error('These programs were compiled without a look at the forces; ask for one when compiling.')
      const { name, executable, outputs, fillScalars } = chosen
      fillScalars(position)
      fill?.(name)
      executable.run()
      return { program: name, forces: looks ? readForces(backend, name, setup, new Set(outputs.keys())) : null }
    },
  }
}

function wholeStep(parts: StepParts): RunStep {
  const { backend, setup, look } = parts
  const train = compilePair(parts, traceTrain)
  const auxiliary = auxiliaryNames(train.plain)
  return (tokens, position, looks = false) => {
    const { program, forces } = train.run(looks, position, (name) => {
      fillInputs(backend, name, setup, tokens, { ...position, microStep: 0 }, look)
    })
    return {
      loss: readScalar(backend, program, 'loss'),
      auxiliaryLosses: readAuxiliary(backend, program, auxiliary),
      penalty: readPenalty(backend, program, train.plain),
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
  const fillPenalty = scalarFiller(backend, graph, setup)
  const apply = compilePair(parts, traceApply)
  for (const { name, shape, frozen } of setup.parameters) {
    if (frozen !== true) backend.buffer(gradientSumName(name), 'f32', shape).fill(0)
  }
  return (tokens, position, looks = false) => {
    let loss = 0
    const auxiliaryLosses = Object.fromEntries(names.map((name) => [name, 0]))
    fillPenalty(position)
    for (let microStep = 0; microStep < setup.accumulation; microStep++) {
      fillInputs(backend, 'accumulate', setup, tokens, { ...position, microStep }, look)
      accumulate.run()
      loss += readScalar(backend, 'accumulate', 'loss') / setup.accumulation
      for (const [name, value] of Object.entries(readAuxiliary(backend, 'accumulate', names))) {
        auxiliaryLosses[name]! += value / setup.accumulation
      }
    }
    const penalty = readPenalty(backend, 'accumulate', graph) // of the weights alone, the same in every batch
    const { program, forces } = apply.run(looks, position)
    return { loss, auxiliaryLosses, penalty, gradientNorm: readScalar(backend, program, 'gradientNorm'), forces }
  }
}

function readAuxiliary(backend: Backend, program: string, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, readScalar(backend, program, auxiliaryOutput(name))]))
}

function readPenalty(backend: Backend, program: string, { outputs }: Graph): number | null {
  return outputs.has(PENALTY_OUTPUT) ? readScalar(backend, program, PENALTY_OUTPUT) : null
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

/** A function that fills those of the optimizer's scalars that the program asks for. */
export function scalarFiller(
  backend: Backend,
  graph: Graph,
  { optimizer }: Pick<StepSetup, 'optimizer'>,
): (position: Omit<StepPosition, 'seed'>) => void {
  const asked = new Set(graphBuffers(graph).map(({ buffer }) => buffer))
  return ({ step, learningRate, optimizerStart = 0 }) => {
    for (const [name, value] of Object.entries(optimizer.scalars(step + 1, learningRate, step + 1 - optimizerStart))) {
      const buffer = bufferName(graph.name, name)
      if (asked.has(buffer)) backend.buffer(buffer, 'f32', [])[0] = value
    }
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
