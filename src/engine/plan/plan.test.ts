/** Every op's samples, planned and run by the kernel interpreter on 4, 8 and 16 lanes, against the plain meaning. */
import { describe, expect, test } from 'vitest'
import { verifyKernel } from '../kernel/verify.ts'
import { CompiledBackend } from '../runtime/compiled.ts'
import { conformanceCases, runCase } from '../runtime/interpreter/conformance.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../runtime/native/machineCode.test.data.ts'
import { planProgram } from './passes.ts'

const targets = [
  { lanes: 4, vectorRegisters: 16 },
  { lanes: 8, vectorRegisters: 16 },
  { lanes: 16, vectorRegisters: 32 },
]

describe.each(targets)('planned for $lanes lanes', (target) => {
  for (const { name, forward, backward, values, tolerance } of conformanceCases()) {
    for (const graph of [forward, ...(backward ? [backward] : [])]) {
      test(`${name} ${graph === forward ? 'forward' : 'gradient'}`, () => {
        const backend = new CompiledBackend(createInterpretedMachine({ ...target, threads: 2 }))
        for (const kernel of planProgram(graph, target).kernels) verifyKernel(kernel)
        const actual = runCase(backend, graph, values)
        expectMachineCode(target, (native) => runCase(native, graph, values), actual)
        for (const [output, expected] of runCase(createInterpreterBackend({ precision: 'f64' }), graph, values)) {
          const found = actual.get(output)!
          expect(found.length).toBe(expected.length)
          for (const [k, value] of expected.entries()) {
            const error = Math.abs(found[k]! - value) / Math.max(1, Math.abs(value))
            expect(error, `${output}[${k}] is ${found[k]}, expected ${value}`).toBeLessThanOrEqual(tolerance)
          }
        }
      })
    }
  }
})
