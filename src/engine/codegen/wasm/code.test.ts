import { describe, expect, it } from 'vitest'
import { appendSigned, signed, unsigned } from './leb128.ts'
import { Code } from './code.ts'

const hex = (code: Code): string => [...code.finish()].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')

describe('LEB128', () => {
  // The last two are the examples of the DWARF 4 specification, section 7.6.
  it.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
    [12857, [0xb9, 0x64]],
    [624485, [0xe5, 0x8e, 0x26]],
  ])('writes %i unsigned', (value, bytes) => {
    expect(unsigned(value)).toEqual(bytes)
  })

  it.each([
    [0, [0]],
    [63, [0x3f]],
    [64, [0xc0, 0x00]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
    [-123456, [0xc0, 0xbb, 0x78]],
  ])('writes %i signed', (value, bytes) => {
    expect(signed(value)).toEqual(bytes)
    const appended = [9]
    appendSigned(appended, value)
    expect(appended).toEqual([9, ...bytes])
  })
})

describe('Code', () => {
  it('declares locals in groups and ends the body', () => {
    const code = new Code(['i32'])
    const [a, b, c] = [code.local('i32'), code.local('i32'), code.local('v128')]
    code.get(code.parameters[0]!).tee(a).set(b).v128([1, -1, 0, 0]).set(c)
    expect(hex(code)).toBe(
      '02 02 7f 01 7b ' + // two i32, one v128
        '20 00 22 01 21 02 ' +
        'fd 0c 01 00 00 00 ff ff ff ff 00 00 00 00 00 00 00 00 21 03 0b',
    )
  })

  it('counts the blocks between a branch and its label', () => {
    const code = new Code([])
    code.block((exit) => {
      code.loop((again) => {
        code.i32(1)
        code.if(
          () => code.branch(exit),
          () => code.branch(again),
        )
      })
    })
    expect(hex(code)).toBe('00 02 40 03 40 41 01 04 40 0c 02 05 0c 01 0b 0b 0b 0b')
  })

  it('writes prefixed opcodes, alignment, offset and lane', () => {
    const code = new Code([])
    code.access('v128.store32_lane', 300, 2).op('i32x4.trunc_sat_f32x4_s').shuffle([1, 0, 7, 4])
    expect(hex(code)).toBe('00 fd 5a 02 ac 02 02 fd f8 01 fd 0d 04 05 06 07 00 01 02 03 1c 1d 1e 1f 10 11 12 13 0b')
  })
})
