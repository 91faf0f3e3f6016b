import { describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Kernel, Statement } from '../../kernel/kernel.ts'
import { printStatement } from '../../kernel/print.ts'
import { findLifetimes } from './lifetimes.ts'

const target = { lanes: 4, vectorRegisters: 16 }

function allStatements(body: readonly Statement[]): Statement[] {
  return body.flatMap((statement) =>
    statement.kind === 'for' ? [...allStatements(statement.body), statement] : [statement],
  )
}

/** `statement: ids of the values that end there`, for the statements where any do. */
function endings(kernel: Kernel): string[] {
  const lifetimes = findLifetimes(kernel)
  return allStatements(kernel.body).flatMap((statement) => {
    const ids = lifetimes.endingAt(statement)
    return ids.length === 0 ? [] : [`${printStatement(kernel, statement)}: ${ids.toSorted((a, b) => a - b).join(' ')}`]
  })
}

describe('findLifetimes', () => {
  it('keeps what is used inside a loop until the loop ends, unless it was made inside', () => {
    const b = new KernelBuilder('sample', target)
    const p = b.pointer() // 3
    const outside = b.load(b.at(p)) // 4
    const sum = b.variable(outside) // 5
    b.for(b.unitBegin, b.unitEnd, 1, (index) => {
      const inside = b.load(b.at(p, 0, index)) // 7
      b.assign(sum, b.add(inside, outside)) // 8
    })
    b.store(sum, b.at(p))
    const kernel = b.finish()
    expect(endings(kernel)).toEqual([
      'f8 = add f7 f4: 7',
      'f5 := f8: 8',
      'for n6 = unitBegin to unitEnd step 1: 0 1 4 6',
      'store [p0] = f5: 3 5',
    ])
    expect(findLifetimes(kernel).isChanged(sum)).toBe(true)
    expect(findLifetimes(kernel).isChanged(outside)).toBe(false)
  })

  it('ends a value that nobody uses where it is made', () => {
    const b = new KernelBuilder('unused', target)
    b.int(7) // 3
    expect(endings(b.finish())).toEqual(['n3 = intConstant 7: 3'])
  })
})
