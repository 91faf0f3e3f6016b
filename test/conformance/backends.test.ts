/**
 * Every op on every backend that can run here, forward and gradient, against the plain meaning in float64; and the same
 * bits for any number of threads.
 */
import { availableParallelism } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import { CompiledBackend } from '../../src/engine/runtime/compiled.ts'
import { conformanceCases, runCase } from '../../src/engine/runtime/interpreter/conformance.ts'
import { createInterpreterBackend } from '../../src/engine/runtime/interpreter/interpreter.ts'
import { cpuFeatures, createNativeMachine, nativeUnavailable } from '../../src/engine/runtime/native/machine.ts'
import { wasmUnavailable } from '../../src/engine/runtime/wasm/available.ts'
import { createWasmMachine } from '../../src/engine/runtime/wasm/machine.ts'
import type { Machine } from '../../src/engine/runtime/backend.ts'

interface Target {
  readonly name: string
  readonly unavailable: string | undefined
  readonly machine: (threads: number) => Machine
}

const noAvx512 = nativeUnavailable() ?? (cpuFeatures()?.avx512 ? undefined : 'this processor has no AVX-512')
const targets: readonly Target[] = [
  {
    name: 'native AVX-512',
    unavailable: noAvx512,
    machine: (threads) => createNativeMachine({ threads, poison: true }),
  },
  {
    name: 'native AVX2',
    unavailable: nativeUnavailable(),
    machine: (threads) => createNativeMachine({ threads, disable: ['avx512'], poison: true }),
  },
  {
    name: 'WebAssembly',
    unavailable: wasmUnavailable(),
    machine: (threads) => createWasmMachine({ threads, poison: true }),
  },
]

const threads = Math.min(2, availableParallelism())

for (const { name, unavailable, machine } of targets) {
  describe.skipIf(unavailable !== undefined)(unavailable ? `${name} (skipped: ${unavailable})` : name, () => {
    const one = unavailable ? undefined : new CompiledBackend(machine(1))
    const many = unavailable ? undefined : new CompiledBackend(machine(threads))
    afterAll(() => {
      one?.dispose()
      many?.dispose()
    })
    const exact = createInterpreterBackend({ precision: 'f64' })
    test.each(conformanceCases().map((each) => [each.name, each] as const))('%s', (_, each) => {
      for (const graph of [each.forward, ...(each.backward ? [each.backward] : [])]) {
        const expected = runCase(exact, graph, each.values)
        const found = runCase(many!, graph, each.values)
        expect(found, 'one thread and several must agree to the bit').toEqual(runCase(one!, graph, each.values))
        for (const [output, values] of expected) {
          for (const [k, value] of values.entries()) {
            const error = Math.abs(found.get(output)![k]! - value) / Math.max(1, Math.abs(value))
            expect(error, `${graph.name} ${output}[${k}]`).toBeLessThanOrEqual(each.tolerance)
          }
        }
      }
    })
  })
}
