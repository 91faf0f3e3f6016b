/** A program's kernels, with driver and barrier, as one WebAssembly module. */
import type { Kernel } from '../../kernel/kernel.ts'
import { typeCodes, type WasmType } from './code.ts'
import { driverParameters, emitBarrier, emitDriver } from './driver.ts'
import { emitKernel, kernelParameters } from './kernelFunction.ts'
import { unsigned } from './leb128.ts'

/** 64 KiB: the unit in which memories grow. */
export const PAGE_BYTES = 65536
/** 4 GiB: all that 32-bit addresses reach. */
export const MAXIMUM_PAGES = 65536

export interface ProgramModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Bytes of each kernel's function body. */
  readonly kernelBytes: readonly number[]
}

const functionTypes = { clock: 0, barrier: 1, driver: 2, kernel: 3 } as const
const functions = { clock: 0, barrier: 1, driver: 2, firstKernel: 3 } as const
const sections = { custom: 0, type: 1, import: 2, function: 3, table: 4, export: 7, element: 9, code: 10 } as const

const IMPORTED = { function: 0, memory: 2 } as const
const EXPORTED_FUNCTION = 0
const SHARED_WITH_MAXIMUM = 3
const FUNCTION_REFERENCE = 0x70
const FUNCTION_TYPE = 0x60
const FUNCTION_NAMES = 1
/** An active element segment of function indices for table 0, at `i32.const 0 end`. */
const ELEMENTS_FROM_0 = [0, 0x41, 0, 0x0b]

type Bytes = ArrayLike<number>

/**
 * The module for a program's kernels, in the order of the program; kernel k is element k of the function table. It imports
 * `machine.memory` (shared) and `machine.clock` (() => milliseconds, called by thread 0 alone), and exports the driver as
 * `run`, see `driverParameters`. The number of threads is part of the barrier's code. `fused`: see `emitKernel`.
 */
export function emitModule(kernels: readonly Kernel[], threads: number, fused: boolean): ProgramModule {
  const bodies = kernels.map((kernel) => emitKernel(kernel, fused))
  const driver = emitDriver(threads, {
    clock: functions.clock,
    barrier: functions.barrier,
    kernelType: functionTypes.kernel,
  })
  const names = ['clock', 'barrier', 'driver', ...kernels.map((kernel) => kernel.name)]
  const parts: Bytes[] = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    section(sections.type, vector(functionTypeRows())),
    section(sections.import, vector(importRows())),
    section(
      sections.function,
      vector([[functionTypes.barrier], [functionTypes.driver], ...kernels.map(() => [functionTypes.kernel])]),
    ),
    section(sections.table, vector([[FUNCTION_REFERENCE, 0, ...unsigned(kernels.length)]])),
    section(sections.export, vector([joined([text('run'), [EXPORTED_FUNCTION, functions.driver]])])),
    section(sections.element, vector([joined([ELEMENTS_FROM_0, vector(kernelIndices(kernels))])])),
    section(sections.code, vector([emitBarrier(threads), driver, ...bodies].map(sized))),
    section(sections.custom, joined([text('name'), nameSubsection(names)])),
  ]
  return { bytes: joined(parts), kernelBytes: bodies.map((body) => body.length) }
}

const kernelIndices = (kernels: readonly Kernel[]): Bytes[] =>
  kernels.map((_, k) => unsigned(functions.firstKernel + k))

const parametersOf = (types: readonly WasmType[]): Bytes => vector(types.map((type) => [typeCodes[type]]))

/** In the order of `functionTypes`. */
function functionTypeRows(): Bytes[] {
  return [
    [FUNCTION_TYPE, 0, 1, typeCodes.f64],
    [FUNCTION_TYPE, 0, 0],
    joined([[FUNCTION_TYPE], parametersOf(driverParameters), [0]]),
    joined([[FUNCTION_TYPE], parametersOf(kernelParameters), [0]]),
  ]
}

function importRows(): Bytes[] {
  return [
    joined([text('machine'), text('clock'), [IMPORTED.function, functionTypes.clock]]),
    joined([text('machine'), text('memory'), [IMPORTED.memory, SHARED_WITH_MAXIMUM, 1], unsigned(MAXIMUM_PAGES)]),
  ]
}

/** Function names, for stack traces and profilers. */
function nameSubsection(names: readonly string[]): Bytes {
  return joined([[FUNCTION_NAMES], sized(vector(names.map((name, index) => joined([unsigned(index), text(name)]))))])
}

const sized = (bytes: Bytes): Bytes => joined([unsigned(bytes.length), bytes])

const section = (id: number, content: Bytes): Bytes => joined([[id], sized(content)])

/** A count and that many items. */
const vector = (items: readonly Bytes[]): Bytes => joined([unsigned(items.length), ...items])

const text = (value: string): Bytes => sized(new TextEncoder().encode(value))

function joined(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
