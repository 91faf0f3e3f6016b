/** Whether this process can run our WebAssembly: vectors, and memory shared between threads. */
import { Code } from '../../codegen/wasm/code.ts'
import { webAssembly } from './webAssembly.ts'

const HEAD = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
/** One type, () -> (); one function of it; one shared memory of exactly one page. */
const TYPES = [1, 4, 1, 0x60, 0, 0]
const FUNCTIONS = [3, 2, 1, 0]
const MEMORIES = [5, 4, 1, 3, 1, 1]
const CODE_SECTION = 10

function moduleWith(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = [CODE_SECTION, body.length + 2, 1, body.length, ...body]
  return Uint8Array.from([...HEAD, ...TYPES, ...FUNCTIONS, ...MEMORIES, ...code])
}

/** Why WebAssembly cannot be used here, in words; undefined where it can. */
export function wasmUnavailable(): string | undefined {
  if (webAssembly === undefined) return 'this JavaScript engine has no WebAssembly'
  if (typeof SharedArrayBuffer === 'undefined') return 'this JavaScript engine has no SharedArrayBuffer'
  const atomics = new Code([]).i32(0).access('i32.atomic.load').op('drop')
  if (!webAssembly.validate(moduleWith(atomics.finish()))) return 'this WebAssembly has no shared memory and atomics'
  const vectors = new Code([]).v128([0, 0, 0, 0]).op('drop')
  if (!webAssembly.validate(moduleWith(vectors.finish()))) return 'this WebAssembly has no 128-bit vectors (SIMD128)'
  return undefined
}
