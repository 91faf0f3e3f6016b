import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { assembleText } from './assembleText.test.data.ts'
import { Encoder, memoryAt, memoryInPool } from './encoder.ts'
import { conditions, GeneralEncoder, type Condition } from './general.ts'
import { vectorRows } from './vectorRows.ts'

/** "text | bytes", the bytes by GNU as; expectedBytes.mjs makes them. */
const lines = readFileSync(new URL('expectedBytes.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
const cases = lines.map((line) => line.split(' | ') as [string, string])

describe('instructions', () => {
  it('have the bytes that GNU as gives them', () => {
    const ours = cases.map(([text]) => `${text} | ${assembleText(text)}`)
    expect(ours).toEqual(lines)
  })

  it('are all among the cases', () => {
    const names = new Set(cases.map(([text]) => text.split(' ')[0]))
    for (const row of Object.values(vectorRows)) {
      if (row.vex) expect(names).toContain(row.name)
      if (row.evex) expect(names).toContain(row.evexName)
    }
  })

  it('refuse what has no encoding', () => {
    const encoder = new Encoder()
    expect(() => encoder.registers(vectorRows.blend, 1, 16, 0, 0)).toThrow('vblendvps has no 512-bit form')
    expect(() => encoder.memory(vectorRows.load, 1, 0, 0, memoryAt(0, 0, 4))).toThrow('rsp cannot be an index')
  })
})

function hex(write: (encoder: Encoder, g: GeneralEncoder) => void): string {
  const encoder = new Encoder()
  write(encoder, new GeneralEncoder(encoder))
  return Buffer.from(encoder.code.finish().bytes).toString('hex')
}

describe('jumps and constants', () => {
  it('go back by one byte where that reaches, and forward by four', () => {
    // as: "L0: nop; jl L0; jmp L0" and "jge 1f; nop; 1:" with a 32-bit displacement
    expect(
      hex(({ code }, g) => {
        const head = code.label()
        code.bind(head)
        code.align(1)
        g.pause()
        g.jumpIf('less', head)
        g.jump(head)
      }),
    ).toBe('f3907cfcebfa')
    expect(
      hex(({ code }, g) => {
        const end = code.label()
        g.jumpIf('notLess', end)
        g.pause()
        g.jump(end)
        g.call(end)
        code.bind(end)
      }),
    ).toBe('0f8d0c000000f390e905000000e800000000')
  })

  it('go back by four bytes where one does not reach', () => {
    const far = hex(({ code }, g) => {
      const head = code.label()
      code.bind(head)
      for (let k = 0; k < 100; k++) g.pause()
      g.jumpIf('equal', head)
    })
    expect(far.slice(400)).toBe('0f8432ffffff')
  })

  it('know all conditions', () => {
    // Intel SDM volume 2A, table B-10
    const expected: { readonly [K in Condition]: string } = {
      below: '72',
      notBelow: '73',
      equal: '74',
      notEqual: '75',
      above: '77',
      less: '7c',
      notLess: '7d',
      notGreater: '7e',
      greater: '7f',
    }
    for (const condition of Object.keys(conditions) as Condition[]) {
      const bytes = hex(({ code }, g) => {
        const head = code.label()
        code.bind(head)
        g.jumpIf(condition, head)
      })
      expect(bytes).toBe(`${expected[condition]}fe`)
    }
  })

  it('place each constant once, aligned to its size, and count from the end of the instruction', () => {
    const encoder = new Encoder()
    const { code } = encoder
    const small = code.pool('small', () => Uint8Array.of(1, 2, 3, 4))
    const large = code.pool('large', () => new Uint8Array(64).fill(9))
    expect(code.pool('small', () => Uint8Array.of(5))).toBe(small)
    encoder.memory(vectorRows.add, 2, 1, 2, memoryInPool(large))
    encoder.memory(vectorRows.compareInt, 2, 1, 2, memoryInPool(small), { immediate: 1, broadcast: true })
    const { bytes, codeBytes } = code.finish()
    const view = new DataView(bytes.buffer)
    expect(codeBytes).toBe(10 + 11)
    expect(bytes.length).toBe(64 + 64 + 4)
    expect(view.getInt32(6, true)).toBe(64 - 10)
    expect(view.getInt32(16, true)).toBe(128 - 21)
    expect([...bytes.subarray(128)]).toEqual([1, 2, 3, 4])
  })

  it('align with no-operations of every length', () => {
    for (let filled = 1; filled < 16; filled++) {
      const encoder = new Encoder()
      for (let k = 0; k < filled; k++) encoder.code.byte(0xcc)
      encoder.code.align(16)
      expect(encoder.code.length).toBe(16)
    }
  })
})
