/** Which vector instructions this processor has and the system lets programs use. */
import { Encoder, memoryAt } from '../../codegen/x64/encoder.ts'
import { GeneralEncoder, registers } from '../../codegen/x64/general.ts'
import type { NativeLibrary } from './library.ts'
import { mapCode, mapMemory, unmapMemory } from './memory.ts'

export interface CpuFeatures {
  /** As the processor calls itself. */
  readonly brand: string
  /** 256-bit vectors of floats and of integers. */
  readonly avx2: boolean
  readonly fma: boolean
  /** 512-bit vectors: the F, VL, DQ and BW parts of AVX-512. */
  readonly avx512: boolean
  /** Products of bf16 pairs into f32 (AVX512_BF16). */
  readonly bf16: boolean
}

/** Features that can be turned off by name. */
export const featureNames = ['avx2', 'fma', 'avx512', 'bf16'] as const
export type FeatureName = (typeof featureNames)[number]

const { rax, rcx, rdx, rbx, rdi, rsi, r8 } = registers

/** cpuid(rdi leaf, rsi subleaf, rdx result: eax, ebx, ecx, edx) */
function assembleCpuid(): Uint8Array {
  const encoder = new Encoder()
  const g = new GeneralEncoder(encoder)
  g.push(rbx)
  g.move(r8, rdx)
  g.move(rax, rdi)
  g.move(rcx, rsi)
  g.cpuid()
  ;[rax, rbx, rcx, rdx].forEach((register, k) => g.store32(register, memoryAt(r8, 4 * k)))
  g.pop(rbx)
  g.return()
  return encoder.code.finish().bytes
}

/** xgetbv(rdi result): extended control register 0, which tells what state the system saves. */
function assembleXgetbv(): Uint8Array {
  const encoder = new Encoder()
  const g = new GeneralEncoder(encoder)
  g.moveImmediate(rcx, 0)
  g.xgetbv()
  g.store32(rax, memoryAt(rdi))
  g.return()
  return encoder.code.finish().bytes
}

const bit = (word: number, position: number): boolean => ((word >>> position) & 1) === 1
/** State components of XCR0: xmm and ymm; with opmask and the two halves of zmm. */
const ymmState = 0x06
const zmmState = 0xe6
const extendedLeaf = 0x80000000
const brandLeaf = 0x80000002
/** Where the second routine lies behind the first. */
const xgetbvOffset = 128

/** Asks the processor (Intel SDM volume 2A, CPUID). */
export function readCpuFeatures(library: NativeLibrary): CpuFeatures {
  const routines = new Uint8Array(xgetbvOffset + 64)
  routines.set(assembleCpuid())
  routines.set(assembleXgetbv(), xgetbvOffset)
  const code = mapCode(library, routines)
  const result = mapMemory(library, 16)
  const words = new Uint32Array(library.view(result.address, 16))
  const cpuid = (leaf: number, subleaf = 0): readonly [number, number, number, number] => {
    library.call(code.address, leaf, subleaf, result.address)
    return [words[0]!, words[1]!, words[2]!, words[3]!]
  }
  try {
    const [mostLeaf] = cpuid(0)
    const [, , basic] = cpuid(1)
    let state = 0
    if (bit(basic, 27)) {
      library.call(code.address + xgetbvOffset, result.address, 0, 0)
      state = words[0]!
    }
    const [, extended] = mostLeaf >= 7 ? cpuid(7) : [0, 0]
    const [more] = mostLeaf >= 7 ? cpuid(7, 1) : [0]
    const ymm = (state & ymmState) === ymmState && bit(basic, 28)
    const avx512 = ymm && (state & zmmState) === zmmState && [16, 17, 30, 31].every((k) => bit(extended, k))
    return {
      brand: readBrand(cpuid),
      avx2: ymm && bit(extended, 5),
      fma: ymm && bit(basic, 12),
      avx512,
      bf16: avx512 && bit(more, 5),
    }
  } finally {
    unmapMemory(library, code)
    unmapMemory(library, result)
  }
}

function readBrand(cpuid: (leaf: number) => readonly number[]): string {
  if (cpuid(extendedLeaf)[0]! < brandLeaf + 2) return 'unnamed x86-64'
  const bytes = new Uint8Array(Uint32Array.from([0, 1, 2].flatMap((k) => cpuid(brandLeaf + k))).buffer)
  return new TextDecoder().decode(bytes).replaceAll('\0', '').trim()
}
