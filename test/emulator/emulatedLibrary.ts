/** Stands in for `runtime/native/library.ts`: the same memory, and machine code run by the emulator instead of the processor. */
import { createRequire } from 'node:module'
import { nativeLibrary as realLibrary, type NativeLibrary } from '../../src/engine/runtime/native/library.ts'
import { bochs, emulator } from './files.ts'

let loaded: NativeLibrary | undefined

export function nativeLibrary(): NativeLibrary {
  loaded ??= emulate(realLibrary())
  return loaded
}

type Call = (...values: (number | string)[]) => number

/** Tests share the memory of their process with the emulated code, so all but the running of code stays as it is. */
function emulate(library: NativeLibrary): NativeLibrary {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const bound = koffi.load(emulator, { global: true, lazy: true })
  const open = bound.func('int emulator_open(const char *path)') as Call
  const call = bound.func('int emulator_call(uint64_t, uint64_t, uint64_t, uint64_t)') as Call
  const start = bound.func('int emulator_start(uint64_t, uint64_t)') as Call
  const join = bound.func('int emulator_join(int)') as Call
  const forgetCode = bound.func('void emulator_forget_code()') as Call
  assertDone(open(bochs))
  return {
    ...library,
    makeExecutable(address, bytes) {
      forgetCode()
      return library.makeExecutable(address, bytes)
    },
    startThread(code, argument) {
      const thread = start(code, argument)
      if (thread < 0) throw new Error('the emulator has no room for more threads')
      return BigInt(thread)
    },
    joinThread: (thread) => assertDone(join(Number(thread))),
    call: (address, a, b, c) => assertDone(call(address, a, b, c)),
  }
}

function assertDone(result: number): void {
  if (result !== 0) throw new Error('the emulator failed; what it wrote on stderr says why')
}
