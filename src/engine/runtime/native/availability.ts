/** Whether native code can run here, and if not, why. */
import { readCpuFeatures, type CpuFeatures } from './cpu.ts'
import { nativeLibrary, type NativeLibrary } from './library.ts'

/** What is asked; tests put something else in its place. */
export interface Surroundings {
  readonly platform: string
  readonly arch: string
  library(): NativeLibrary
  features(library: NativeLibrary): CpuFeatures
}

export interface Availability {
  /** Undefined where no native code runs at all. */
  readonly features: CpuFeatures | undefined
  /** Why native code cannot run, in words; undefined where it can. */
  readonly reason: string | undefined
}

/** Looks for Linux on x86-64, koffi, executable memory, AVX2 and FMA, in this order. */
export function probe(surroundings: Surroundings): Availability {
  const { platform, arch } = surroundings
  if (platform !== 'linux' || arch !== 'x64') {
    return without(`native code needs Linux on x86-64; this is ${platform} on ${arch}`)
  }
  let library: NativeLibrary
  try {
    library = surroundings.library()
  } catch (error) {
    return without(`koffi, which calls native code, cannot be loaded (${firstLine(error)}): run npm install`)
  }
  try {
    const features = surroundings.features(library)
    return { features, reason: missing(features) }
  } catch (error) {
    return without(`native code cannot run here: ${firstLine(error)}`)
  }
}

function without(reason: string): Availability {
  return { features: undefined, reason }
}

function missing({ brand, avx2, fma }: CpuFeatures): string | undefined {
  const absent = [...(avx2 ? [] : ['AVX2']), ...(fma ? [] : ['FMA'])]
  if (absent.length === 0) return undefined
  return `native code needs ${absent.join(' and ')}; this processor (${brand}) or its system does not offer that`
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!
}

let known: Availability | undefined

function here(): Availability {
  known ??= probe({
    platform: process.platform,
    arch: process.arch,
    library: nativeLibrary,
    features: readCpuFeatures,
  })
  return known
}

/**
 * The vector features of this processor, as far as the system lets programs use them; undefined where no native code
 * can run at all (`nativeUnavailable` says why).
 */
export function cpuFeatures(): CpuFeatures | undefined {
  return here().features
}

/** Why native code cannot run here, in words; undefined where it can. */
export function nativeUnavailable(): string | undefined {
  return here().reason
}
