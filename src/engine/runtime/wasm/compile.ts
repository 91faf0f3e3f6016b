/** Compiles modules with V8's optimizing compiler from the start. */
import { setFlagsFromString } from 'node:v8'
import { requireWebAssembly, type WasmModule } from './webAssembly.ts'

/**
 * V8 by itself compiles a function when it is first called, without optimization, and replaces it some calls later: the first
 * step is slow, and which later step is fast depends on luck. Measured on Node 20 with 100 matmul kernels (115 KB) on two
 * cores: 1 ms to compile and 150 ms for the first run; with these flags 27 ms to compile and 32 ms for every run.
 */
const EAGER = ['--no-liftoff', '--no-wasm-lazy-compilation']

const opposite = (flag: string): string =>
  flag.startsWith('--no-') ? flag.replace('--no-', '--') : flag.replace('--', '--no-')

/** Node 20's V8 (11.3) has the relaxed vector instructions of WebAssembly 3.0, but takes them only with this flag. */
const RELAXED = '--experimental-wasm-relaxed-simd'

/**
 * Compiles before it returns; throws where the bytes are no valid module. V8's flags are as before when it does, and what
 * others compile is not affected.
 */
export function compileOptimized(bytes: Uint8Array<ArrayBuffer>): WasmModule {
  const { Module, validate } = requireWebAssembly()
  const flags = validate(bytes) ? EAGER : [...EAGER, RELAXED]
  return withFlags(flags, () => new Module(bytes))
}

function withFlags<T>(flags: readonly string[], work: () => T): T {
  const changed = flags.filter((flag) => !process.execArgv.includes(flag))
  for (const flag of changed) setFlagsFromString(flag)
  try {
    return work()
  } finally {
    for (const flag of changed) setFlagsFromString(opposite(flag))
  }
}
