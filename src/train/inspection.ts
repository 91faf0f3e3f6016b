/** Shows what the engine made of a recipe's training step, without a text and without training. */
import { inspect, withPrecision, type Backend, type Inspection } from '../engine/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'
import { initialiseParameters } from './initialise.ts'
import { scalarFiller } from './programs.ts'
import { stepSetup } from './setup.ts'
import { traceAccumulate, traceTrain } from './step.ts'

/**
 * The text of one inspection of the step (with accumulation, of its forward and backward passes). `times` runs it with
 * initial weights and every token 0: the work does not depend on the tokens.
 */
export function inspectStep(config: RecipeConfig, vocab: number, backend: Backend, what: Inspection): string {
  const { step } = stepSetup(config, vocab)
  const graph = step.accumulation === 1 ? traceTrain(step) : traceAccumulate(step)
  if (what === 'times') {
    initialiseParameters(backend, step.parameters, config.train.seed)
    scalarFiller(backend, graph, step)({ step: 0, learningRate: config.optimizer.learningRate })
  }
  const { precision, recompute } = config.train
  return inspect(backend, { ...withPrecision(graph, precision), recomputes: recompute }, what)
}
