import { describe, expect, it } from 'vitest'
import { KernelBuilder } from './builder.ts'
import type { Kernel, Statement, Value } from './kernel.ts'
import { printKernel } from './print.ts'
import { verifyKernel } from './verify.ts'

const target = { lanes: 8, vectorRegisters: 16 }

function build(emit: (b: KernelBuilder, pointer: Value) => void): Kernel {
  const b = new KernelBuilder('sample', target)
  emit(b, b.pointer())
  return b.finish()
}

/** A kernel with one more statement than the builder would accept. */
function withStatement(statement: (kernel: Kernel) => Statement): Kernel {
  const kernel = build(() => {})
  return { ...kernel, valueCount: 50, body: [statement(kernel)] }
}

const f = (id: number): Value => ({ id, type: 'f32' })
const n = (id: number): Value => ({ id, type: 'int' })

describe('printKernel', () => {
  it('prints the loop nest', () => {
    const kernel = build((b, pointer) => {
      const scale = b.constant(-0)
      const sum = b.variable(scale)
      b.for(b.unitBegin, b.unitEnd, 2, (unit) => {
        const x = b.load(b.at(pointer, 16, unit), 3)
        b.assign(sum, b.multiplyAdd(x, scale, sum))
        b.store(sum, b.at(b.intAdd(pointer, 4), -8), 5)
      })
      b.store(b.op('asFloat', [b.op('shiftLeft', [b.constantInt(7)], 3)]), b.at(pointer))
    })
    verifyKernel(kernel)
    expect(printKernel(kernel)).toBe(`kernel sample(unitBegin, unitEnd, scratch, p0): 8 lanes
  i10 = constantInt 7
  f4 = constant -0
  var f5 := f4
  for n6 = unitBegin to unitEnd step 2
    f7 = load [p0 + n6*4 + 16] lanes 3
    f8 = multiplyAdd f7 f4 f5
    f5 := f8
    n9 = intAddImmediate p0 4
    store [n9 - 8] = f5 lanes 5
  i11 = shiftLeft i10 3
  f12 = asFloat i11
  store [p0] = f12
`)
  })
})

describe('verifyKernel', () => {
  it('refuses a value used outside its loop, naming kernel and statement', () => {
    const kernel = build((b, pointer) => {
      let inner = pointer
      b.for(0, 4, 1, (k) => (inner = b.intAdd(k, 1)))
      b.store(b.constant(0), b.at(inner))
    })
    expect(() => verifyKernel(kernel)).toThrow(
      'kernel sample: value 5 is used outside the loop that defines it in: store [n5] = f6',
    )
  })

  it.each<[string, Kernel]>([
    ['before it is defined', withStatement(() => ({ kind: 'assign', variable: f(9), value: f(8), declare: true }))],
    ['is defined twice', withStatement((k) => ({ kind: 'loadInt', target: k.scratch, address: address(k) }))],
    ['not below', withStatement((k) => ({ kind: 'loadInt', target: n(50), address: address(k) }))],
    ['9 lanes', withStatement((k) => ({ kind: 'load', target: f(9), address: address(k), lanes: 9 }))],
    ['0 lanes', withStatement((k) => ({ kind: 'load', target: f(9), address: address(k), lanes: 0 }))],
    ['memory holds f32', withStatement((k) => ({ kind: 'load', target: n(9), address: address(k), lanes: 8 }))],
    ['expected int', withStatement((k) => ({ kind: 'loadInt', target: f(9), address: address(k) }))],
    ['scale 3', withStatement((k) => ({ kind: 'loadInt', target: n(9), address: { ...address(k), scale: 3 as 4 } }))],
    ['offset', withStatement((k) => ({ kind: 'loadInt', target: n(9), address: { ...address(k), offset: 2 ** 31 } }))],
    ['steps by 0', withStatement(() => ({ kind: 'for', index: n(9), from: 0, to: 4, step: 0, body: [] }))],
    ['takes 1 arg', withStatement(() => ({ kind: 'op', target: n(9), op: 'intModImmediate', args: [], immediate: 1 }))],
    ['not declared', withStatement((k) => ({ kind: 'assign', variable: k.scratch, value: k.scratch, declare: false }))],
    ['f32 holds', withStatement(() => ({ kind: 'op', target: f(9), op: 'constant', args: [], immediate: 0.1 }))],
    ['expected f32', withStatement(() => ({ kind: 'op', target: n(9), op: 'constant', args: [], immediate: 0 }))],
  ])('refuses: %s', (message, kernel) => {
    expect(() => verifyKernel(kernel)).toThrow(message)
  })

  it('refuses a wrong argument type and an immediate out of range', () => {
    const wrongType = withStatement((k) => ({ kind: 'op', target: f(9), op: 'neg', args: [k.scratch], immediate: 0 }))
    expect(() => verifyKernel(wrongType)).toThrow('value 2 is of type int, expected f32')
    const shifted = build((b) => b.op('shiftLeft', [b.constantInt(1)], 32))
    expect(() => verifyKernel(shifted)).toThrow(
      'shiftLeft has the immediate 32; expected a number of bits from 0 to 31',
    )
    const merged = build((b) => b.op('mergeOdd', [b.constant(1), b.constant(2)], b.lanes))
    expect(() => verifyKernel(merged)).toThrow(
      'mergeOdd has the immediate 8; expected a power of two below the 8 lanes',
    )
  })

  it('refuses lanes that no target has', () => {
    expect(() => verifyKernel({ ...build(() => {}), lanes: 3 })).toThrow('has 3 lanes; kernels have 4, 8 or 16')
  })
})

function address(kernel: Kernel): { base: Value; scale: 1; offset: number } {
  return { base: kernel.pointers[0]!, scale: 1, offset: 0 }
}
