import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { CheckpointError } from './checkpointError.ts'
import { quickDisk } from './crashingDisk.test.data.ts'
import { nodeDisk } from './disk.ts'
import { openSafetensors, readSafetensors, writeSafetensors, type TensorToWrite } from './safetensors.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-safetensors-'))
afterAll(() => rmSync(root, { recursive: true }))
const path = join(root, 'model.safetensors')

/** A file with this header and as many zero bytes of data. */
function fileOf(header: unknown, dataBytes = 0): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]))
  return path
}

function errorOf(run: () => unknown): CheckpointError {
  try {
    run()
  } catch (error) {
    if (error instanceof CheckpointError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

const vector = (...numbers: number[]): TensorToWrite => ({ shape: [numbers.length], data: Float32Array.from(numbers) })
const entry = (dtype: string, shape: number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

describe('writeSafetensors and readSafetensors', () => {
  const name = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }).filter((text) => text !== '__metadata__')
  const tensor = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }).chain((shape) => {
    const size = shape.reduce((product, length) => product * length, 1)
    return fc.record({ shape: fc.constant(shape), data: fc.float32Array({ minLength: size, maxLength: size }) })
  })

  it('give back every bit, name, shape and metadata', () => {
    const names = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 })
    const metadata = fc.dictionary(
      fc.string({ unit: 'binary' }).filter((key) => key !== '__proto__'),
      fc.string({ unit: 'binary' }),
      { maxKeys: 3 },
    )
    fc.assert(
      fc.property(names, metadata, (tensors, notes) => {
        writeSafetensors(path, tensors, { metadata: notes, disk: quickDisk })
        const read = readSafetensors(path)
        expect([...read.tensors.keys()].toSorted()).toEqual(tensors.map(([key]) => key).toSorted())
        for (const [key, { shape, data }] of tensors) {
          expect(read.tensors.get(key)?.shape).toEqual(shape)
          expect(Buffer.from(read.tensors.get(key)!.data.buffer).equals(bytesOf(data))).toBe(true)
        }
        expect(Object.fromEntries(read.metadata)).toEqual({ ...notes })
      }),
    )
    expect(readdirSync(root)).toEqual(['model.safetensors'])
  })

  it('make the file that the format describes', () => {
    writeSafetensors(path, [['a', { shape: [1, 2], data: Float32Array.of(1, -2) }]], { metadata: { format: 'pt' } })
    const bytes = readFileSync(path)
    const json = '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
    const length = Number(bytes.readBigUInt64LE())
    expect(length % 8).toBe(0)
    expect(length - json.length).toBeLessThan(8)
    expect(bytes.toString('utf8', 8, 8 + length)).toBe(json.padEnd(length))
    expect([bytes.readFloatLE(8 + length), bytes.readFloatLE(12 + length)]).toEqual([1, -2])
    expect(bytes.length).toBe(8 + length + 8)
  })

  it('keep every dtype in a place that fits its size', () => {
    writeSafetensors(path, [
      ['half', { shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 0x0001), dtype: 'F16' }],
      ['brain', { shape: [1], data: Uint16Array.of(0x3f80), dtype: 'BF16' }],
      ['single', vector(1.5)],
      ['steps', { shape: [], data: BigInt64Array.of(7n) }],
      ['ids', { shape: [2], data: Int32Array.of(1, 2) }],
      ['double', { shape: [1], data: Float64Array.of(0.1) }],
    ])
    const file = openSafetensors(path)
    try {
      expect([...file.tensors].map(([key, { dtype, begin, end }]) => [key, dtype, begin, end])).toEqual([
        ['steps', 'I64', 0, 8],
        ['double', 'F64', 8, 16],
        ['single', 'F32', 16, 20],
        ['ids', 'I32', 20, 28],
        ['half', 'F16', 28, 34],
        ['brain', 'BF16', 34, 36],
      ])
      expect([...file.read('half')]).toEqual([1, -2, 2 ** -24])
      expect([...file.read('brain')]).toEqual([1])
      const target = new Float32Array(1)
      expect(file.read('single', target)).toBe(target)
      expect(target[0]).toBe(1.5)
      expect(errorOf(() => file.read('steps')).message).toContain('dtype I64')
      expect(errorOf(() => file.read('none')).message).toContain('no tensor "none"')
      expect(() => file.read('single', new Float32Array(2))).toThrow(/has 1 numbers; the array for it has 2/)
    } finally {
      file.close()
    }
  })

  it('pass through shared memory without a copy', () => {
    const shared = new Float32Array(new SharedArrayBuffer(64), 16, 4)
    shared.set([1, 2, 3, 4])
    writeSafetensors(path, [['shared', { shape: [4], data: shared }]])
    const back = new Float32Array(new SharedArrayBuffer(16))
    const file = openSafetensors(path)
    file.read('shared', back)
    file.close()
    expect([...back]).toEqual([1, 2, 3, 4])
  })

  it('take tensors larger than one write', () => {
    const size = 5_000_001
    const large = Float32Array.from({ length: size }, (_, i) => i)
    const half = new Uint16Array(2 * size).fill(0x3c00)
    half[2 * size - 1] = 0x4000
    let largest = 0
    const disk = {
      ...quickDisk,
      write(file: number, bytes: Uint8Array): number {
        largest = Math.max(largest, bytes.length)
        return nodeDisk.write(file, bytes.subarray(0, 7_000_000)) // a write may stop early
      },
    }
    writeSafetensors(
      path,
      [
        ['large', { shape: [size], data: large }],
        ['half', { shape: [2, size], data: half, dtype: 'F16' }],
      ],
      { disk },
    )
    expect(largest).toBe(16 * 2 ** 20)
    const { tensors } = readSafetensors(path)
    expect(Buffer.from(tensors.get('large')!.data.buffer).equals(bytesOf(large))).toBe(true)
    expect(tensors.get('half')!.data.at(-1)).toBe(2)
    expect(
      tensors
        .get('half')!
        .data.subarray(0, -1)
        .every((value) => value === 1),
    ).toBe(true)
  })

  it('refuse what no file can hold', () => {
    expect(() => writeSafetensors(path, [['a', { shape: [3], data: new Float32Array(2) }]])).toThrow(
      /\[3\] has 2 numbers/,
    )
    expect(() =>
      writeSafetensors(path, [
        ['a', vector(1)],
        ['a', vector(2)],
      ]),
    ).toThrow(/"a" is taken/)
    expect(() => writeSafetensors(path, [['__metadata__', vector(1)]])).toThrow(/is taken/)
  })

  it('leave the old file when the new one fails', () => {
    writeSafetensors(path, [['a', vector(1)]])
    const disk = { ...quickDisk, sync: () => fail('ENOSPC') }
    const error = errorOf(() => writeSafetensors(path, [['a', vector(2)]], { disk }))
    expect(error.message).toBe(
      `Cannot write ${path}: the disk is full (ENOSPC). Checkpoints saved before are untouched.`,
    )
    expect(readSafetensors(path).tensors.get('a')?.data).toEqual(Float32Array.of(1))
    expect(readdirSync(root)).toEqual(['model.safetensors'])
  })
})

describe('a file that is not right', () => {
  const good = entry('F32', [2], 0, 8)
  it.each([
    ['an empty file', () => writeFileSync(path, ''), /no safetensors file: it has 0 bytes/],
    ['a text', () => writeFileSync(path, 'Call me Ishmael.'), /no safetensors file: its first eight bytes announce/],
    [
      'a header that is cut off',
      () => writeFileSync(path, Buffer.from([99, 0, 0, 0, 0, 0, 0, 0, 123])),
      /99 bytes, and 1/,
    ],
    [
      'a header of terabytes',
      () => writeFileSync(path, Buffer.from([0, 0, 0, 0, 0, 9, 0, 0, 123])),
      /announce a header/,
    ],
    ['no JSON', () => fileOf('{"a":'), /its header is no JSON\./],
    [
      'no UTF-8',
      () => writeFileSync(path, Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])),
      /its header is no JSON\./,
    ],
    ['an array', () => fileOf('[]'), /no JSON object/],
    ['null', () => fileOf('null'), /no JSON object/],
    ['leading spaces', () => fileOf(' {}'), /no JSON object/],
    ['wrong metadata', () => fileOf({ __metadata__: { step: 1 } }), /__metadata__ must map texts to texts/],
    ['a tensor without offsets', () => fileOf({ a: { dtype: 'F32', shape: [2] } }), /"a" needs a dtype, a shape/],
    ['a negative size', () => fileOf({ a: entry('F32', [-2], 0, 8) }, 8), /"a" needs a dtype, a shape/],
    ['a fractional size', () => fileOf({ a: entry('F32', [2.5], 0, 10) }, 10), /"a" needs a dtype, a shape/],
    ['an unknown dtype', () => fileOf({ a: entry('F99', [2], 0, 8) }, 8), /unknown dtype "F99"/],
    ['a dtype of JavaScript', () => fileOf({ a: entry('toString', [2], 0, 8) }, 8), /unknown dtype "toString"/],
    [
      'a shape beyond all memory',
      () => fileOf({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 8) }, 8),
      /larger than any file/,
    ],
    ['a shape that lies', () => fileOf({ a: entry('F32', [3], 0, 8) }, 8), /needs 12 bytes, .* 0 to 8 give 8/],
    ['offsets backwards', () => fileOf({ a: entry('F32', [2], 8, 0) }, 8), /8 to 0 give -8/],
    ['an overlap', () => fileOf({ a: good, b: entry('F32', [2], 4, 12) }, 12), /"b" overlaps/],
    ['a gap', () => fileOf({ a: good, b: entry('F32', [1], 12, 16) }, 16), /"b" leaves 4 bytes unused/],
    ['a gap at the start', () => fileOf({ a: entry('F32', [1], 4, 8) }, 8), /"a" leaves 4 bytes unused/],
    ['bytes after the end', () => fileOf({ a: good }, 9), /1 bytes after the last tensor/],
    ['tensors that are cut off', () => fileOf({ a: good }, 7), /cut off: its tensors should have 8 bytes, and 7/],
    ['a promise of terabytes', () => fileOf({ a: entry('F32', [2 ** 40], 0, 2 ** 42) }, 8), /cut off/],
    [
      'a name that stands twice',
      () =>
        fileOf(
          '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
          8,
        ),
      /4 bytes unused/,
    ],
  ])('%s is explained', (_, make, message) => {
    make()
    const error = errorOf(() => readSafetensors(path))
    expect(error.message).toMatch(message)
    expect(error.message).toContain(path)
    expect(error.path).toBe(path)
    expect(error.hint).not.toBe('')
  })

  it('and one that is missing is explained too', () => {
    const missing = join(root, 'missing.safetensors')
    expect(errorOf(() => openSafetensors(missing)).message).toBe(`Cannot read ${missing}: it does not exist (ENOENT).`)
    expect(errorOf(() => openSafetensors(root)).message).toMatch(/it is a folder/)
  })

  it('never gives anything but a CheckpointError, however it was damaged', () => {
    writeSafetensors(
      path,
      [
        ['a', vector(1, 2, 3)],
        ['b.c', { shape: [2, 2], data: new Float32Array(4) }],
      ],
      {
        metadata: { step: '1' },
      },
    )
    const whole = readFileSync(path)
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(damage, fc.nat(whole.length), fc.boolean(), (changes, length, cut) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) bytes[at] = value
        writeFileSync(path, bytes)
        if (cut) truncateSync(path, length)
        expect(readsOrExplains()).toBe(true)
      }),
      { numRuns: 250 },
    )
  })

  it('never gives anything but a CheckpointError for any header', () => {
    const json = fc.json({ depthSize: 'small' })
    const likely = fc
      .dictionary(
        fc.string({ maxLength: 3 }),
        fc.record(
          {
            dtype: fc.constantFrom('F32', 'F16', 'BF16', 'I64', 'U8', 'X'),
            shape: fc.array(fc.oneof(fc.nat(4), fc.maxSafeInteger()), { maxLength: 3 }),
            data_offsets: fc.array(fc.nat(16), { minLength: 1, maxLength: 3 }),
          },
          { requiredKeys: [] },
        ),
        { maxKeys: 3 },
      )
      .map((header) => JSON.stringify(header))
    fc.assert(
      fc.property(fc.oneof(json, likely), fc.nat(16), (header, dataBytes) => {
        fileOf(header, dataBytes)
        expect(readsOrExplains()).toBe(true)
      }),
      { numRuns: 250 },
    )
  })
})

function readsOrExplains(): boolean {
  try {
    return readSafetensors(path).tensors.size >= 0
  } catch (error) {
    return error instanceof CheckpointError
  }
}

function bytesOf(data: Float32Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

function fail(code: string): never {
  throw Object.assign(new Error(code), { code, errno: -1 })
}
