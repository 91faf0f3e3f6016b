/**
 * The vector instructions that this engine uses, one row each: how the bytes are made, and nothing about what they do.
 *
 * Opcodes from the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Where one opcode has a VEX
 * and an EVEX form with different names (vpxor, vpxord), one row stands for both.
 */

/** Opcode map: 1 is 0F, 2 is 0F 38, 3 is 0F 3A. */
type OpcodeMap = 1 | 2 | 3
/** Implied prefix: 0 none, 1 is 66, 2 is F3, 3 is F2. */
type Prefix = 0 | 1 | 2 | 3

/** Bytes that a memory operand covers: the whole vector, or a number. EVEX counts 8-bit displacements in it. */
export type MemoryWidth = 'vector' | 2 | 4 | 8 | 16 | 32

export interface VectorRow {
  readonly name: string
  /** The EVEX form's name where it differs. */
  readonly evexName: string
  readonly map: OpcodeMap
  readonly prefix: Prefix
  readonly opcode: number
  /** EVEX.W; the VEX forms here all have W 0. */
  readonly w: 0 | 1
  readonly vex: boolean
  readonly evex: boolean
  readonly memory: MemoryWidth
  /** The opcode's extension in the `reg` field, for shifts by an immediate. */
  readonly extension: number
  /** Whether the two sources may change places. */
  readonly commutes: boolean
}

type RowOptions = Partial<Pick<VectorRow, 'evexName' | 'w' | 'vex' | 'evex' | 'memory' | 'extension' | 'commutes'>>

function row(name: string, map: OpcodeMap, prefix: Prefix, opcode: number, options: RowOptions = {}): VectorRow {
  return {
    name,
    map,
    prefix,
    opcode,
    evexName: options.evexName ?? name,
    w: options.w ?? 0,
    vex: options.vex ?? true,
    evex: options.evex ?? true,
    memory: options.memory ?? 'vector',
    extension: options.extension ?? 0,
    commutes: options.commutes ?? false,
  }
}

const commutes = true
const onlyVex = { evex: false }
const onlyEvex = { vex: false }

export const vectorRows = {
  // moves
  load: row('vmovups', 1, 0, 0x10),
  store: row('vmovups', 1, 0, 0x11),
  move: row('vmovaps', 1, 0, 0x28),
  loadOne: row('vmovss', 1, 2, 0x10, { memory: 4 }),
  storeOne: row('vmovss', 1, 2, 0x11, { memory: 4 }),
  loadTwo: row('vmovsd', 1, 3, 0x10, { memory: 8, w: 1 }),
  storeTwo: row('vmovsd', 1, 3, 0x11, { memory: 8, w: 1 }),
  loadMasked: row('vmaskmovps', 2, 1, 0x2c, onlyVex),
  broadcast: row('vbroadcastss', 2, 1, 0x18, { memory: 4 }),
  broadcastInt: row('vpbroadcastd', 2, 1, 0x58, { memory: 4 }),
  broadcastGeneral: row('vpbroadcastd', 2, 1, 0x7c, onlyEvex),
  moveGeneral: row('vmovd', 1, 1, 0x6e, { memory: 4 }),
  // f32
  add: row('vaddps', 1, 0, 0x58, { commutes }),
  mul: row('vmulps', 1, 0, 0x59, { commutes }),
  sub: row('vsubps', 1, 0, 0x5c),
  min: row('vminps', 1, 0, 0x5d),
  div: row('vdivps', 1, 0, 0x5e),
  max: row('vmaxps', 1, 0, 0x5f),
  sqrt: row('vsqrtps', 1, 0, 0x51),
  round: row('vroundps', 3, 1, 0x08, { evexName: 'vrndscaleps' }),
  multiplyAdd132: row('vfmadd132ps', 2, 1, 0x98),
  multiplyAdd213: row('vfmadd213ps', 2, 1, 0xa8),
  multiplyAdd231: row('vfmadd231ps', 2, 1, 0xb8),
  // i32
  addInt: row('vpaddd', 1, 1, 0xfe, { commutes }),
  subInt: row('vpsubd', 1, 1, 0xfa),
  mulInt: row('vpmulld', 2, 1, 0x40, { commutes }),
  mulWide: row('vpmuludq', 1, 1, 0xf4, { w: 1, commutes }),
  and: row('vpand', 1, 1, 0xdb, { evexName: 'vpandd', commutes }),
  or: row('vpor', 1, 1, 0xeb, { evexName: 'vpord', commutes }),
  xor: row('vpxor', 1, 1, 0xef, { evexName: 'vpxord', commutes }),
  shiftLeft: row('vpslld', 1, 1, 0x72, { extension: 6 }),
  shiftRight: row('vpsrld', 1, 1, 0x72, { extension: 2 }),
  shiftRightWide: row('vpsrlq', 1, 1, 0x73, { extension: 2, w: 1 }),
  // conversions
  toInt: row('vcvttps2dq', 1, 2, 0x5b),
  toFloat: row('vcvtdq2ps', 1, 0, 0x5b),
  // pairs of bf16 numbers (AVX512_BF16), and a permutation of 16-bit words (AVX512BW)
  narrowToBf16: row('vcvtne2ps2bf16', 2, 3, 0x72, onlyEvex),
  pairDot: row('vdpbf16ps', 2, 2, 0x52, onlyEvex),
  permuteWords: row('vpermw', 2, 1, 0x8d, { vex: false, w: 1 }),
  // comparisons and choice; the EVEX forms write a mask register
  compare: row('vcmpps', 1, 0, 0xc2),
  compareInt: row('vpcmpd', 3, 1, 0x1f, onlyEvex),
  greaterInt: row('vpcmpgtd', 1, 1, 0x66, onlyVex),
  equalInt: row('vpcmpeqd', 1, 1, 0x76, { evex: false, commutes }),
  blend: row('vblendvps', 3, 1, 0x4a, onlyVex),
  blendMasked: row('vblendmps', 2, 1, 0x65, onlyEvex),
  blendConstant: row('vpblendd', 3, 1, 0x02, onlyVex),
  // across lanes
  evenToOdd: row('vmovsldup', 1, 2, 0x12),
  mergeEvenPairs: row('vunpcklpd', 1, 1, 0x14, { w: 1 }),
  mergeOddPairs: row('vunpckhpd', 1, 1, 0x15, { w: 1 }),
  choose128: row('vperm2f128', 3, 1, 0x06, onlyVex),
  choose128Of512: row('vshuff32x4', 3, 1, 0x23, onlyEvex),
  oddToEven: row('vmovshdup', 1, 2, 0x16),
  permute: row('vpermilps', 3, 1, 0x04),
  extract128: row('vextractf128', 3, 1, 0x19, { evexName: 'vextractf32x4', memory: 16 }),
  extract256: row('vextractf64x4', 3, 1, 0x1b, { vex: false, w: 1, memory: 32 }),
  // mask registers (VEX encoded, 128-bit form)
  maskLoad: row('kmovw', 1, 0, 0x90, { evex: false, memory: 2 }),
  maskStore: row('kmovw', 1, 0, 0x91, { evex: false, memory: 2 }),
  maskFromGeneral: row('kmovw', 1, 0, 0x92, onlyVex),
} satisfies Record<string, VectorRow>

export type VectorRowName = keyof typeof vectorRows
