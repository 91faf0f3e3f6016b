/**
 * PyTorch's own values: Linear(2, 3), Sigmoid, Linear(3, 1), Sigmoid in float64, the loss the sum of the outputs, 1,001
 * steps, weights and loss every 100 (pytorch/pytorch test/cpp/api/optim_baseline.py). Without the file the suite is
 * skipped and says so.
 */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { add, createBackend, matmul, sigmoid, sum, transpose, type Backend } from '../engine/index.ts'
import { createOptimizer, type OptimizerName, type OptimizerOptions } from './optimizers.ts'
import { declare, stepper, type Loss } from './stepper.test.data.ts'

const GOLDENS = '/work/shared/data/goldens/pytorch-optimizers.json'

interface Golden {
  readonly init: readonly (readonly number[])[]
  readonly optimizers: Record<string, { samples: number[][][]; loss_before_step: number[] }>
}

const goldens = (): Golden => JSON.parse(readFileSync(GOLDENS, 'utf8')) as Golden

// PyTorch's weights are [out, in].
const SPECS = declare([
  ['0.weight', [3, 2], 'matrix'],
  ['0.bias', [3], 'bias'],
  ['2.weight', [1, 3], 'matrix'],
  ['2.bias', [1], 'bias'],
])

const network: Loss = (parameters, input) => {
  const hidden = sigmoid(
    add(matmul(input('x', [3, 2]), transpose(parameters.get('0.weight'))), parameters.get('0.bias')),
  )
  return sum(sigmoid(add(matmul(hidden, transpose(parameters.get('2.weight'))), parameters.get('2.bias'))))
}

type Row = { [N in OptimizerName]: readonly [golden: string, name: N, options: OptimizerOptions[N]] }[OptimizerName]

const ROWS: readonly Row[] = [
  ['Adam', 'adam', { learningRate: 1 }],
  ['Adam_with_weight_decay', 'adam', { learningRate: 1, weightDecay: 1e-2 }],
  ['Adam_with_weight_decay', 'adam', { learningRate: 1, weightDecay: 1e-2, form: 'loss-l2' }],
  ['Adam_with_weight_decay_and_amsgrad', 'amsgrad', { learningRate: 1, weightDecay: 1e-6 }],
  ['AdamW', 'adamw', { learningRate: 1 }],
  ['AdamW_without_weight_decay', 'adamw', { learningRate: 1, weightDecay: 0 }],
  ['AdamW_with_amsgrad', 'amsgrad', { learningRate: 1, weightDecay: 1e-2, form: 'decoupled' }],
  ['Adagrad_with_weight_decay', 'adagrad', { learningRate: 1, weightDecay: 1e-2 }],
  ['RMSprop_with_weight_decay', 'rmsprop', { learningRate: 0.1, weightDecay: 1e-2 }],
  ['SGD', 'sgd', { learningRate: 0.1 }],
  ['SGD_with_weight_decay', 'sgd', { learningRate: 0.1, weightDecay: 1e-2 }],
  ['SGD_with_weight_decay', 'sgd', { learningRate: 0.1, weightDecay: 1e-2, form: 'decoupled' }],
  ['SGD_with_weight_decay_and_momentum', 'sgd', { learningRate: 0.1, weightDecay: 1e-2, momentum: 0.9 }],
  [
    'SGD_with_weight_decay_and_nesterov_momentum',
    'sgd',
    { learningRate: 0.1, weightDecay: 1e-6, momentum: 0.9, nesterov: true },
  ],
]

/** Largest difference from PyTorch's weights and relative losses, over all samples. */
function differences([golden, name, options]: Row, backend?: Backend): { weights: number; losses: number } {
  const { init, optimizers } = goldens()
  const { samples, loss_before_step: losses } = optimizers[golden]!
  const optimizer = createOptimizer(name, SPECS, options)
  const { input, step, read, fill } = stepper(SPECS, optimizer, network, backend ? { backend } : {})
  SPECS.forEach((spec, k) => fill(spec.name, init[k]!))
  input('x', [3, 2], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
  const worst = { weights: 0, losses: 0 }
  for (let t = 1; t <= 1001; t++) {
    const loss = step(t)
    if (t % 100 !== 1) continue
    const k = (t - 1) / 100
    worst.losses = Math.max(worst.losses, Math.abs(loss / losses[k]! - 1))
    const theirs = samples[k]!.flat()
    const ours = SPECS.flatMap((spec) => read(spec.name))
    ours.forEach((value, i) => {
      worst.weights = Math.max(worst.weights, Math.abs(value - theirs[i]!))
    })
  }
  return worst
}

describe.skipIf(!existsSync(GOLDENS))(`PyTorch's values (${GOLDENS})`, () => {
  test.each(ROWS)('%s by %s %j over 1,001 steps', (...row) => {
    const { weights, losses } = differences(row)
    expect(weights).toBeLessThan(1e-9)
    expect(losses).toBeLessThan(1e-9)
  })

  test('the rows above use every golden', () => {
    expect(new Set(ROWS.map(([golden]) => golden))).toEqual(new Set(Object.keys(goldens().optimizers)))
  })

  test('in f32 on the compiled backend: the same within rounding', () => {
    const backend = createBackend({ threads: 1 })
    try {
      for (const row of ROWS) {
        const { weights } = differences(row, backend)
        expect(weights, row[0]).toBeLessThan(2e-3)
      }
    } finally {
      backend.dispose()
    }
  })
})
