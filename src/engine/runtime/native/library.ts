/** The C library and function pointers, through koffi. Addresses are plain numbers: user space ends below 2^47. */
import { createRequire } from 'node:module'

export interface NativeLibrary {
  /** Maps zeroed memory that is readable and writable; its address. Throws where the system refuses. */
  map(bytes: number): number
  unmap(address: number, bytes: number): void
  /** From now on the memory is executable and no longer writable. Returns whether the system allows it. */
  makeExecutable(address: number, bytes: number): boolean
  adviseHugePages(address: number, bytes: number): void
  /** Gives the pages back; the range stays mapped and reads as zeros. */
  discard(address: number, bytes: number): void
  /** The memory at an address, at most 2^32 bytes. */
  view(address: number, bytes: number): ArrayBuffer
  /** Starts a thread at machine code with one argument; its handle. `workspace` is 512 bytes of memory for the call. */
  startThread(start: number, argument: number, workspace: number): bigint
  joinThread(handle: bigint): void
  /** Calls machine code that takes up to three integers. */
  call(address: number, a: number, b: number, c: number): void
}

const readWrite = 3
const readExecute = 5
/** MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE (linux/mman.h) */
const anonymous = 0x4022
const hugePages = 14
const dontNeed = 4
const setMask = 2
const signalSetBytes = 128

type Koffi = typeof import('koffi')

let loaded: NativeLibrary | undefined

/** Loads koffi and the C library; throws what they throw. */
export function nativeLibrary(): NativeLibrary {
  loaded ??= bind(createRequire(import.meta.url)('koffi') as Koffi)
  return loaded
}

type Numeric = (...values: (number | bigint)[]) => number

function bind(koffi: Koffi): NativeLibrary {
  const library = koffi.load(null)
  const mmap = library.func('mmap', 'int64_t', ['uint64_t', 'uint64_t', 'int', 'int', 'int', 'int64_t']) as Numeric
  const munmap = library.func('munmap', 'int', ['uint64_t', 'uint64_t']) as Numeric
  const mprotect = library.func('mprotect', 'int', ['uint64_t', 'uint64_t', 'int']) as Numeric
  const madvise = library.func('madvise', 'int', ['uint64_t', 'uint64_t', 'int']) as Numeric
  const create = library.func('pthread_create', 'int', ['uint64_t', 'uint64_t', 'uint64_t', 'uint64_t']) as Numeric
  const join = library.func('pthread_join', 'int', ['uint64_t', 'uint64_t']) as Numeric
  const mask = library.func('pthread_sigmask', 'int', ['int', 'uint64_t', 'uint64_t']) as Numeric
  const prototype = koffi.proto('void', ['uint64_t', 'uint64_t', 'uint64_t'])

  return {
    map(bytes) {
      const address = mmap(0, bytes, readWrite, anonymous, -1, 0)
      if (address < 0) throw new Error(`the system refused ${bytes} bytes of memory`)
      return address
    },
    unmap: (address, bytes) => void munmap(address, bytes),
    makeExecutable: (address, bytes) => mprotect(address, bytes, readExecute) === 0,
    adviseHugePages: (address, bytes) => void madvise(address, bytes, hugePages),
    discard: (address, bytes) => void madvise(address, bytes, dontNeed),
    view: (address, bytes) => koffi.view(BigInt(address), bytes),
    startThread(start, argument, workspace) {
      // Signals are for Node's own threads: the new thread starts with all of them blocked.
      const [blocked, before, handle] = [workspace, workspace + signalSetBytes, workspace + 2 * signalSetBytes]
      new Uint8Array(koffi.view(BigInt(blocked), signalSetBytes)).fill(0xff)
      mask(setMask, blocked, before)
      const failure = create(handle, 0, start, argument)
      mask(setMask, before, 0)
      if (failure !== 0)
        throw new Error(`the system refused a thread (pthread_create returned ${failure}): use fewer threads`)
      return new BigUint64Array(koffi.view(BigInt(handle), 8))[0]!
    },
    joinThread: (handle) => void join(handle, 0),
    call: (address, a, b, c) => void koffi.call(BigInt(address), prototype, a, b, c),
  }
}
