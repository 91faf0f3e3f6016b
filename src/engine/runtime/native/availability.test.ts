import { describe, expect, it } from 'vitest'
import { cpuFeatures, nativeUnavailable, probe, type Surroundings } from './availability.ts'
import { readCpuFeatures, type CpuFeatures } from './cpu.ts'
import { nativeLibrary, type NativeLibrary } from './library.ts'

const everything: CpuFeatures = { brand: 'Test CPU', avx2: true, fma: true, avx512: true, bf16: true }
const good: Surroundings = {
  platform: 'linux',
  arch: 'x64',
  library: nativeLibrary,
  features: () => everything,
}

function noLibrary(): never {
  throw new Error("Cannot find module 'koffi'\nRequire stack: …")
}

/** As on a system that forbids memory to become executable. */
function guardedLibrary(): NativeLibrary {
  return { ...nativeLibrary(), makeExecutable: () => false }
}

describe('native code', () => {
  it('is available where all is there', () => {
    expect(probe(good)).toEqual({ features: everything, reason: undefined })
  })

  it('needs Linux on x86-64', () => {
    expect(probe({ ...good, platform: 'darwin', arch: 'arm64' }).reason).toBe(
      'native code needs Linux on x86-64; this is darwin on arm64',
    )
    expect(probe({ ...good, arch: 'arm64' }).reason).toContain('linux on arm64')
  })

  it('needs koffi', () => {
    expect(probe({ ...good, library: noLibrary })).toEqual({
      features: undefined,
      reason: "koffi, which calls native code, cannot be loaded (Cannot find module 'koffi'): run npm install",
    })
  })

  it('needs AVX2 and FMA', () => {
    expect(probe({ ...good, features: () => ({ ...everything, avx2: false, fma: false }) }).reason).toBe(
      'native code needs AVX2 and FMA; this processor (Test CPU) or its system does not offer that',
    )
    expect(probe({ ...good, features: () => ({ ...everything, fma: false }) }).reason).toContain('needs FMA;')
  })

  it.skipIf(nativeUnavailable() !== undefined)('needs executable memory', () => {
    expect(probe({ ...good, library: guardedLibrary, features: readCpuFeatures }).reason).toBe(
      'native code cannot run here: the system refuses executable memory',
    )
  })

  it('gives features where it runs, and a reason where it does not', () => {
    expect(nativeUnavailable() === undefined).toBe(cpuFeatures()?.avx2 === true && cpuFeatures()?.fma === true)
  })
})
