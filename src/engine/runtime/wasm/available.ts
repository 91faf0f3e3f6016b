/** Whether this process can run our WebAssembly: vectors, and memory shared between threads; and how it multiplies. */
import { Code } from '../../codegen/wasm/code.ts'
import { compileOptimized } from './compile.ts'
import { requireWebAssembly, webAssembly } from './webAssembly.ts'

const HEAD = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
/** One type, () -> i32; one function of it, exported as `f`; one shared memory of exactly one page. */
const TYPES = [1, 5, 1, 0x60, 0, 1, 0x7f]
const FUNCTIONS = [3, 2, 1, 0]
const MEMORIES = [5, 4, 1, 3, 1, 1]
const EXPORTS = [7, 5, 1, 1, 0x66, 0, 0]
const CODE_SECTION = 10

/** A module with a function that leaves what `body` leaves on the stack, an i32. */
function moduleWith(code: Code): Uint8Array<ArrayBuffer> {
  const body = code.finish()
  const section = [CODE_SECTION, body.length + 2, 1, body.length, ...body]
  return Uint8Array.from([...HEAD, ...TYPES, ...FUNCTIONS, ...MEMORIES, ...EXPORTS, ...section])
}

/** Why WebAssembly cannot be used here, in words; undefined where it can. */
export function wasmUnavailable(): string | undefined {
  if (webAssembly === undefined) return 'this JavaScript engine has no WebAssembly'
  if (typeof SharedArrayBuffer === 'undefined') return 'this JavaScript engine has no SharedArrayBuffer'
  const atomics = new Code([]).i32(0).access('i32.atomic.load')
  if (!webAssembly.validate(moduleWith(atomics))) return 'this WebAssembly has no shared memory and atomics'
  const vectors = new Code([]).v128([0, 0, 0, 0]).op('i32x4.all_true')
  if (!webAssembly.validate(moduleWith(vectors))) return 'this WebAssembly has no 128-bit vectors (SIMD128)'
  return undefined
}

let fuses: boolean | undefined

/**
 * Whether the relaxed multiply-add (WebAssembly 3.0, `f32x4.relaxed_madd`) is there and rounds once. An engine may round
 * twice, as it must on a processor without the instruction: so one is done, with numbers where it shows.
 */
export function fusesMultiplyAdds(): boolean {
  fuses ??= tryFused()
  return fuses
}

function tryFused(): boolean {
  // (1 + 2^-12)² - (1 + 2^-11) is 2^-24, or 0 with the square rounded to f32.
  const code = new Code([])
  const push = (value: number): Code => {
    const [lane] = new Int32Array(Float32Array.of(value).buffer) as unknown as [number]
    return code.v128([lane, lane, lane, lane])
  }
  push(1 + 2 ** -12)
  push(1 + 2 ** -12)
  push(-(1 + 2 ** -11)).op('f32x4.relaxed_madd')
  push(2 ** -24)
    .op('f32x4.eq')
    .op('i32x4.all_true')
  const { Instance } = requireWebAssembly()
  try {
    const { f } = new Instance(compileOptimized(moduleWith(code)), {}).exports as { readonly f: () => number }
    return f() === 1
  } catch (error) {
    // A CompileError, by name because Node's types have none: an engine that does not know the instruction.
    if (error instanceof Error && error.name === 'CompileError') return false
    throw error
  }
}
