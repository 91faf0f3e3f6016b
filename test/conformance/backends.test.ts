/**
 * Every op on every backend that can run here, forward and gradient, against the plain meaning in float64; and the same
 * bits for any number of threads.
 */
import { availableParallelism } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import { CompiledBackend } from '../../src/engine/runtime/compiled.ts'
import { conformanceCases, runCase, type ConformanceCase } from '../../src/engine/runtime/interpreter/conformance.ts'
import { createInterpreterBackend } from '../../src/engine/runtime/interpreter/interpreter.ts'
import { cpuFeatures, createNativeMachine, nativeUnavailable } from '../../src/engine/runtime/native/machine.ts'
import { wasmUnavailable } from '../../src/engine/runtime/wasm/available.ts'
import { createWasmMachine } from '../../src/engine/runtime/wasm/machine.ts'
import { usesBf16, withPrecision } from '../../src/engine/trace/precision.ts'
import type { Graph } from '../../src/engine/trace/trace.ts'
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

const noBf16 = nativeUnavailable() ?? (cpuFeatures()?.bf16 ? undefined : 'this processor has no AVX512_BF16')
/** Targets of the same graphs with their products in bf16. */
const bf16Targets: readonly Target[] = [
  {
    name: 'native AVX-512 in bf16',
    unavailable: noBf16,
    machine: (threads) => createNativeMachine({ threads, poison: true }),
  },
  {
    name: 'native AVX2 in bf16, expanded',
    unavailable: nativeUnavailable(),
    machine: (threads) => createNativeMachine({ threads, disable: ['avx512'], poison: true, expandBf16: true }),
  },
]

interface Program {
  readonly name: string
  readonly graphs: readonly Graph[]
  readonly values: ConformanceCase['values']
  readonly tolerance: number
}

const programs: readonly Program[] = conformanceCases().map(({ name, forward, backward, values, tolerance }) => {
  return { name, graphs: backward ? [forward, backward] : [forward], values, tolerance }
})
/** A number that is computed and then rounded may fall to the other side of an edge: one part in 2^8. */
const bf16Programs = programs
  .map(({ graphs, ...rest }) => {
    return { ...rest, tolerance: 2 ** -8, graphs: graphs.map((graph) => withPrecision(graph, 'bf16')) }
  })
  .filter(({ graphs }) => graphs.some(usesBf16))

const threads = Math.min(2, availableParallelism())

describeTargets(targets, programs)
describeTargets(bf16Targets, bf16Programs)

function describeTargets(described: readonly Target[], all: readonly Program[]): void {
  for (const target of described) describeTarget(target, all)
}

function describeTarget({ name, unavailable, machine }: Target, all: readonly Program[]): void {
  describe.skipIf(unavailable !== undefined)(unavailable ? `${name} (skipped: ${unavailable})` : name, () => {
    const one = unavailable ? undefined : new CompiledBackend(machine(1))
    const many = unavailable ? undefined : new CompiledBackend(machine(threads))
    afterAll(() => {
      one?.dispose()
      many?.dispose()
    })
    const exact = createInterpreterBackend({ precision: 'f64' })
    test.each(all.map((each) => [each.name, each] as const))('%s', (_, each) => {
      for (const graph of each.graphs) {
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
