/** Models of transformers, read from their own files, compute here what they compute there (parity.ts). */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createInterpreterBackend } from '../../src/engine/index.ts'
import { compiledBackends } from '../../src/train/backends.test.data.ts'
import { GOLDEN_FOLDER, goldenModels, isSupported, measureParity } from './parity.ts'

const backends = [
  { label: 'interpreter, float64', create: () => createInterpreterBackend({ precision: 'f64' }) },
  ...compiledBackends,
]

test('there are models to compare with', () => {
  expect(goldenModels.filter(isSupported).length).toBeGreaterThan(1)
})

describe.each(goldenModels.filter(isSupported))('%s', (name) => {
  test.each(backends)('$label: logits, loss, gradients and five steps of AdamW', ({ create }) => {
    const parity = measureParity(join(GOLDEN_FOLDER, name), () => create())
    expect(parity.logits.worst).toBeLessThan(1e-5)
    expect(parity.loss.worst).toBeLessThan(1e-6)
    expect(parity.gradients.worst).toBeLessThan(1e-5)
    expect(parity.stepLosses.worst).toBeLessThan(1e-6)
    expect(parity.stepWeights.worst).toBeLessThan(1e-4)
  })
})
