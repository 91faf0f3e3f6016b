/**
 * The WebAssembly instructions that we emit, by their names in the specification.
 *
 * Source of the opcodes: WebAssembly Core Specification 2.0, "Index of Instructions"; the threads proposal for 0xfe.
 */

/** An opcode after the prefix 0xfd (vector) or 0xfe (atomic), as LEB128. */
const prefixed = (prefix: number, opcode: number): readonly number[] =>
  opcode < 0x80 ? [prefix, opcode] : [prefix, (opcode & 0x7f) | 0x80, opcode >> 7]
const vector = (opcode: number): readonly number[] => prefixed(0xfd, opcode)
const atomic = (opcode: number): readonly number[] => prefixed(0xfe, opcode)

/** Instructions without immediates. */
export const plainInstructions = {
  unreachable: [0x00],
  drop: [0x1a],
  select: [0x1b],
  'i32.eqz': [0x45],
  'i32.eq': [0x46],
  'i32.ne': [0x47],
  'i32.lt_s': [0x48],
  'i32.gt_s': [0x4a],
  'i32.ge_s': [0x4e],
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'i32.mul': [0x6c],
  'i32.div_u': [0x6e],
  'i32.rem_u': [0x70],
  'i32.or': [0x72],
  'i32.shl': [0x74],
  'i32x4.splat': vector(0x11),
  'i32x4.eq': vector(0x37),
  'i32x4.lt_s': vector(0x39),
  'f32x4.eq': vector(0x41),
  'f32x4.ne': vector(0x42),
  'f32x4.lt': vector(0x43),
  'f32x4.le': vector(0x45),
  'i32x4.all_true': vector(0xa3),
  'v128.and': vector(0x4e),
  'v128.or': vector(0x50),
  'v128.xor': vector(0x51),
  'v128.bitselect': vector(0x52),
  'f32x4.nearest': vector(0x6a),
  'i32x4.shl': vector(0xab),
  'i32x4.shr_u': vector(0xad),
  'i32x4.add': vector(0xae),
  'i32x4.sub': vector(0xb1),
  'i32x4.mul': vector(0xb5),
  'i64x2.extmul_low_i32x4_u': vector(0xde),
  'i64x2.extmul_high_i32x4_u': vector(0xdf),
  'f32x4.abs': vector(0xe0),
  'f32x4.neg': vector(0xe1),
  'f32x4.sqrt': vector(0xe3),
  'f32x4.add': vector(0xe4),
  'f32x4.sub': vector(0xe5),
  'f32x4.mul': vector(0xe6),
  'f32x4.div': vector(0xe7),
  'f32x4.pmin': vector(0xea),
  'f32x4.pmax': vector(0xeb),
  'i32x4.trunc_sat_f32x4_s': vector(0xf8),
  'f32x4.convert_i32x4_s': vector(0xfa),
  'f32x4.relaxed_madd': vector(0x105),
} as const satisfies Record<string, readonly number[]>

export type PlainInstruction = keyof typeof plainInstructions

interface MemoryInstruction {
  readonly code: readonly number[]
  /** log2 of the alignment that the access promises; atomics must promise their size. */
  readonly alignment: number
}

const aligned = (alignment: number, code: readonly number[]): MemoryInstruction => ({ code, alignment })

/** Instructions with an alignment and a constant offset; the `lane` ones also take a lane number. */
export const memoryInstructions = {
  'i32.load': aligned(2, [0x28]),
  'i32.store': aligned(2, [0x36]),
  'f64.store': aligned(3, [0x39]),
  'v128.load': aligned(2, vector(0x00)),
  'v128.load32_splat': aligned(2, vector(0x09)),
  'v128.store': aligned(2, vector(0x0b)),
  'v128.load32_lane': aligned(2, vector(0x56)),
  'v128.store32_lane': aligned(2, vector(0x5a)),
  'v128.store64_lane': aligned(2, vector(0x5b)),
  'v128.load32_zero': aligned(2, vector(0x5c)),
  'v128.load64_zero': aligned(2, vector(0x5d)),
  'memory.atomic.notify': aligned(2, atomic(0x00)),
  'memory.atomic.wait32': aligned(2, atomic(0x01)),
  'i32.atomic.load': aligned(2, atomic(0x10)),
  'i32.atomic.store': aligned(2, atomic(0x17)),
  'i32.atomic.rmw.add': aligned(2, atomic(0x1e)),
} as const satisfies Record<string, MemoryInstruction>

export type MemoryInstructionName = keyof typeof memoryInstructions

/** Instructions whose immediates `Code` writes itself. */
export const structured = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  branch: 0x0c,
  branchIf: 0x0d,
  call: 0x10,
  callIndirect: 0x11,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i64Const: 0x42,
  v128Const: vector(0x0c),
  shuffle: vector(0x0d),
} as const
