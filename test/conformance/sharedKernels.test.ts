/** Programs of one backend share kernels by their launches' keys: what is planned beside others must be what is planned alone. */
import { expect, test } from 'vitest'
import { withPrecision, type Graph, type Precision } from '../../src/engine/index.ts'
import type { Kernel } from '../../src/engine/kernel/kernel.ts'
import { printKernel } from '../../src/engine/kernel/print.ts'
import { planProgram, type PlanOptions } from '../../src/engine/plan/passes.ts'
import { architectureNames, findModel } from '../../src/models/index.ts'
import { tinyConfigs } from '../../src/models/tiny.test.data.ts'
import { adamw } from '../../src/optim/index.ts'
import { traceDecoding } from '../../src/train/decoder.ts'
import { traceEvaluate, traceNorms, traceTrain, type StepSetup } from '../../src/train/step.ts'

const target = { lanes: 16, vectorRegisters: 32, bf16: 'instruction' } as const

/** The programs of a run of every architecture: as it is, and with dropout, other sizes and products in bf16. */
function graphs(): Graph[] {
  const changes = { dropout: 0.1, stochasticDepth: 0.3, width: 32, layers: 2 }
  return architectureNames.flatMap((name) => programs(name, {}, 'fp32').concat(programs(name, changes, 'bf16')))
}

function programs(name: (typeof architectureNames)[number], changes: object, precision: Precision): Graph[] {
  const config = { ...tinyConfigs[name], ...changes }
  const model = findModel(name)
  const parameters = model.declareParameters(config)
  const optimizer = adamw([{ params: parameters, weightDecay: 0.1 }], { learningRate: 1e-3 })
  const sizes = { batchSize: 3, sequenceLength: 7, accumulation: 1, clip: 1 }
  const setup: StepSetup = { model, config, parameters, optimizer, ...sizes }
  const made = [traceTrain(setup), traceEvaluate(setup), traceNorms(setup), traceDecoding('decode', setup, 1)]
  return made.map((graph) => withPrecision({ ...graph, name: `${name} ${precision} ${graph.name}` }, precision))
}

test('kernels with equal keys are equal, whichever programs have them', () => {
  const built: PlanOptions['built'] = new Map()
  const texts = new Map<Kernel, string>()
  let kernels = 0
  for (const graph of graphs()) {
    const together = planProgram(graph, target, { built })
    const alone = planProgram(graph, target)
    expect(JSON.stringify(together.launches) === JSON.stringify(alone.launches), graph.name).toBe(true)
    const shown = together.kernels.map((kernel) => {
      const text = texts.get(kernel) ?? printKernel(kernel)
      texts.set(kernel, text)
      return text
    })
    expect(shown, graph.name).toEqual(alone.kernels.map((kernel) => printKernel(kernel)))
    kernels += together.kernels.length
  }
  expect(built.size).toBeLessThan(0.9 * kernels) // some are shared
})
