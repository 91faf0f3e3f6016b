import { describe, expect, it, test } from 'vitest'
import { KernelBuilder } from './builder.ts'
import { interpretKernel } from './interpret.ts'
import type { Kernel } from './kernel.ts'
import { reachOf } from './reach.ts'

const target = { lanes: 4, vectorRegisters: 16 }

/** What units [begin, end) do touch, by pointer, with pointers at multiples of `apart` and zeros in memory. */
function touched(kernel: Kernel, begin: number, end: number) {
  const apart = 1 << 14
  const found = kernel.pointers.map(() => ({ from: Infinity, to: -Infinity }))
  interpretKernel(kernel, {
    memory: new ArrayBuffer(apart * (kernel.pointers.length + 2)),
    unitBegin: begin,
    unitEnd: end,
    scratch: 0,
    pointers: kernel.pointers.map((_, k) => apart * (k + 1)),
    fusedMultiplyAdd: true,
    onAccess: (_, first, count) => {
      const k = Math.floor((4 * first) / apart) - 1
      if (k < 0) return
      const at = 4 * first - apart * (k + 1)
      found[k] = { from: Math.min(found[k]!.from, at), to: Math.max(found[k]!.to, at + 4 * count) }
    },
  })
  return found
}

const kernels: Record<string, (b: KernelBuilder) => void> = {
  'rows, one for each unit': (b) => {
    const [from, to] = [b.pointer(), b.pointer()]
    b.for(b.unitBegin, b.unitEnd, 1, (row) => {
      b.for(0, 12, 4, (column) => {
        const at = b.intMul(row, 48)
        b.store(b.load(b.at(b.intAdd(from, at), 0, column)), b.at(b.intAdd(to, at), 0, column))
      })
      b.store(b.load(b.at(b.intAdd(from, b.intMul(row, 48)), 32), 3), b.at(b.scratch, 0), 3)
    })
  },
  'three rows for each unit, the last unit short': (b) => {
    const to = b.pointer()
    b.for(b.intMul(b.unitBegin, 3), b.intMin(b.intMul(b.unitEnd, 3), 11), 1, (row) => {
      b.store(b.constant(1), b.at(b.intAdd(to, b.intMul(row, 16))))
    })
  },
  'pointers that walk': (b) => {
    const [down, up] = [b.pointer(), b.pointer()]
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const from = b.variable(b.intAdd(down, b.intMul(unit, 64)))
      const to = b.variable(b.intAdd(up, b.intMul(b.op('intSub', [b.int(9), unit]), 64)))
      b.for(0, 4, 1, () => {
        b.store(b.load(b.at(from)), b.at(to))
        b.assign(from, b.intAdd(from, 16))
        b.assign(to, b.intAdd(to, 16))
      })
    })
  },
  'a variable that is set in a loop of one turn': (b) => {
    const to = b.pointer()
    const begin = b.variable(b.unitBegin)
    b.for(0, 1, 1, () => {
      const end = b.intAdd(begin, b.op('intSub', [b.unitEnd, begin]))
      b.for(begin, end, 1, (unit) => b.store(b.constant(1), b.at(b.intAdd(to, b.intMul(unit, 16)))))
      b.assign(begin, end)
    })
  },
  'steps of four up to a bound that differs': (b) => {
    const to = b.pointer()
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      b.for(0, b.intMin(b.intAdd(unit, 5), 13), 4, (k) => b.store(b.constant(1), b.at(to, 0, k)))
    })
  },
  'quotients and remainders': (b) => {
    const to = b.pointer()
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const [outer, inner] = [b.op('intDivImmediate', [unit], 4), b.op('intModImmediate', [unit], 4)]
      b.store(b.constant(1), b.at(b.intAdd(to, b.intMul(outer, 128)), 0, b.intMul(inner, 8)))
    })
  },
  'a loop that runs for some units only': (b) => {
    const [first, second] = [b.pointer(), b.pointer()]
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      b.for(b.op('intDivImmediate', [unit], 5), 1, 1, () => b.store(b.constant(1), b.at(first, 0, unit)))
      b.for(5, b.intAdd(unit, 1), 1, (k) => b.store(b.constant(1), b.at(second, 0, k)))
    })
  },
}

describe.each(Object.entries(kernels))('%s', (name, build) => {
  const b = new KernelBuilder(name, target)
  build(b)
  const kernel = b.finish()

  it.each([
    [0, 3],
    [2, 3],
    [4, 8],
    [6, 9],
    [0, 0],
  ])('units %i to %i', (begin, end) => {
    // Where one number of a unit decides about another, intervals know the two apart only.
    const related = name.startsWith('quotients') ? 4 : name.startsWith('a loop') ? 5 : Infinity
    const isRough = Math.floor(begin / related) < Math.floor((end - 1) / related)
    const reach = reachOf(kernel, begin, end)
    for (const [k, found] of touched(kernel, begin, end).entries()) {
      expect(reach[k]!.from).toBeLessThanOrEqual(found.from)
      expect(reach[k]!.to).toBeGreaterThanOrEqual(found.to)
      if (!isRough) expect(reach[k]).toEqual(found)
    }
  })
})

test('an address from memory may be anywhere in its buffer, and leaves others alone', () => {
  const b = new KernelBuilder('gather', target)
  const [table, ids, result] = [b.pointer(), b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const row = b.intMul(b.loadInt(b.at(ids, 0, unit)), 16)
    b.store(b.load(b.at(b.intAdd(table, row))), b.at(b.intAdd(result, b.intMul(unit, 16))))
  })
  expect(reachOf(b.finish(), 2, 4)).toEqual([
    { from: -Infinity, to: Infinity },
    { from: 8, to: 16 },
    { from: 32, to: 64 },
  ])
})

test('what cannot be followed may be anywhere: a pointer made of two, a variable that doubles', () => {
  const everywhere = { from: -Infinity, to: Infinity }
  const b = new KernelBuilder('sum of pointers', target)
  const [one, other] = [b.pointer(), b.pointer()]
  b.store(b.constant(1), b.at(b.intAdd(one, other)))
  expect(reachOf(b.finish(), 0, 1)).toEqual([everywhere, everywhere])

  const c = new KernelBuilder('doubling', target)
  const to = c.pointer()
  const offset = c.variable(c.int(16))
  c.for(c.unitBegin, c.unitEnd, 1, () => {
    c.store(c.constant(1), c.at(to, 0, offset, 1))
    c.assign(offset, c.intMul(offset, 2))
  })
  expect(reachOf(c.finish(), 0, 5)).toEqual([everywhere])
})
