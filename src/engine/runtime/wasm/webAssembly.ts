/** The part of JavaScript's WebAssembly interface that we use; Node's own types leave it to the browser's. */

export interface WasmMemory {
  /** A new, longer SharedArrayBuffer of the same bytes after each `grow`. */
  readonly buffer: SharedArrayBuffer
  /** Throws RangeError beyond the maximum or where the system has no more. */
  grow(pages: number): number
}

export interface WasmModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module'
}

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export interface WebAssemblyInterface {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory
  /** Compiles, on this thread, before it returns. */
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule
  readonly Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance
  validate(bytes: Uint8Array<ArrayBuffer>): boolean
}

/** Undefined where the JavaScript engine has none (or was started with it turned off). */
export const webAssembly = (globalThis as { readonly WebAssembly?: WebAssemblyInterface }).WebAssembly

export function requireWebAssembly(): WebAssemblyInterface {
  if (webAssembly === undefined) throw new Error('this JavaScript engine has no WebAssembly')
  return webAssembly
}
