/** Modules without the runtime: what a kernel touches at the very end of its memory. */
import { describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import { launchRecord, launchRecordBytes } from './control.ts'
import { emitModule, MAXIMUM_PAGES, PAGE_BYTES } from './module.ts'

interface Memory {
  readonly buffer: SharedArrayBuffer
}
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => Memory
    readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
    readonly Instance: new (
      module: object,
      imports: { machine: { memory: Memory; clock: () => number } },
    ) => { readonly exports: { run(...values: number[]): void } }
  }
}

const TABLE = 4096
const ARGUMENTS = 8192

/** Copies `lanes` elements between two addresses in a memory of one page, by the module's own driver. */
function copy(lanes: number, from: number, to: number): Int32Array {
  const b = new KernelBuilder('copy', { lanes: 4, vectorRegisters: 16 })
  const [source, target] = [b.pointer(), b.pointer()]
  b.store(b.load(b.at(source), lanes, 'i32'), b.at(target), lanes)
  const memory = new WebAssembly.Memory({ initial: 1, maximum: MAXIMUM_PAGES, shared: true })
  const words = new Int32Array(memory.buffer)
  words.forEach((_, k) => (words[k] = k))
  words.fill(0, TABLE / 4, (TABLE + launchRecordBytes(1)) / 4)
  words[(TABLE + launchRecord.arguments) / 4] = ARGUMENTS
  words[(TABLE + launchRecord.bounds) / 4 + 1] = 1
  words.set([from, to], ARGUMENTS / 4)
  const module = new WebAssembly.Module(emitModule([b.finish()], 1, false).bytes)
  const { run } = new WebAssembly.Instance(module, { machine: { memory, clock: () => 0 } }).exports
  run(0, TABLE, 1, 0, 0)
  return words
}

describe('a module', () => {
  it.each([1, 2, 3, 4])('copies %i lanes up to the last byte of memory, and touches nothing beyond', (lanes) => {
    const last = PAGE_BYTES - 4 * lanes
    const loaded = copy(lanes, last, 16384)
    expect([...loaded.subarray(4096, 4096 + lanes)]).toEqual(Array.from({ length: lanes }, (_, k) => last / 4 + k))
    expect(loaded[4096 + lanes]).toBe(4096 + lanes)
    const stored = copy(lanes, 16384, last)
    expect([...stored.subarray(last / 4)]).toEqual(Array.from({ length: lanes }, (_, k) => 4096 + k))
    expect(() => copy(lanes, last + 4, 16384)).toThrow('out of bounds')
    expect(() => copy(lanes, 16384, last + 4)).toThrow('out of bounds')
  })

  it('is valid for several kernels and threads', () => {
    const b = new KernelBuilder('idle', { lanes: 4, vectorRegisters: 16 })
    b.pointer()
    const { bytes, kernelBytes } = emitModule([b.finish(), b.finish()], 3, false)
    expect(kernelBytes).toHaveLength(2)
    expect([...bytes.subarray(0, 4)]).toEqual([0, 0x61, 0x73, 0x6d])
    expect(() => new WebAssembly.Module(bytes)).not.toThrow()
  })
})
