/**
 * The contract between the plan and the code generators: a kernel is a function over vectors, as a tree of statements.
 *
 * A code generator (x64, wasm) implements the scalar ops of `scalarOps.ts` and the few statements below, and nothing
 * else. `interpret.ts` is their executable meaning. A kernel is built for a target's lane count, so that one kernel
 * source serves AVX-512 (16 lanes), AVX2 (8) and WebAssembly (4).
 */
import type { ScalarOpName } from './scalarOps.ts'

/**
 * - `int`: an address in bytes, an index or a loop bound; 64 bits on x64, 32 on WebAssembly, never negative as an address
 * - `f32`, `i32`: a vector of `lanes` 32-bit elements
 * - `mask`: one truth value per lane, made by a comparison and used by `select`
 */
export type ValueType = 'int' | 'f32' | 'i32' | 'mask'

/** A virtual register. Defined once, unless it is a variable (then `assign` redefines it). */
export interface Value {
  readonly id: number
  readonly type: ValueType
}

/** The byte address `base + index * scale + offset`. */
export interface Address {
  readonly base: Value
  readonly index?: Value
  /** Bytes per unit of `index`: 1, 2, 4 or 8. */
  readonly scale: 1 | 2 | 4 | 8
  /** Bytes, |offset| < 2^31. */
  readonly offset: number
}

/** A loop bound: known when the kernel is built, or computed when it runs. */
export type Bound = Value | number

/** A line that is read at once, read after a while (so that a level-2 cache is near enough), or written. */
export type PrefetchPurpose = 'read' | 'readLater' | 'write'

export type Statement =
  /** `target = op(args, immediate)`, lane by lane for vector types. */
  | {
      readonly kind: 'op'
      readonly target: Value
      readonly op: ScalarOpName
      readonly args: readonly Value[]
      readonly immediate: number
    }
  /** Loads the first `lanes` 32-bit elements at `address`; the remaining lanes are zero and their memory is not touched. */
  | { readonly kind: 'load'; readonly target: Value; readonly address: Address; readonly lanes: number }
  /** Loads one 32-bit element and copies it to every lane. */
  | { readonly kind: 'broadcast'; readonly target: Value; readonly address: Address }
  /** Loads one signed 32-bit integer into an `int`. */
  | { readonly kind: 'loadInt'; readonly target: Value; readonly address: Address }
  /** Stores the first `lanes` elements of `value`; memory beyond them is not touched. */
  | { readonly kind: 'store'; readonly value: Value; readonly address: Address; readonly lanes: number }
  /** Asks the caches for the line of 64 bytes at `address`. No meaning: nothing is read, and the address may be anywhere. */
  | { readonly kind: 'prefetch'; readonly address: Address; readonly purpose: PrefetchPurpose }
  /** Starts (`declare`) or changes a variable: the one kind of value that may be set more than once. */
  | { readonly kind: 'assign'; readonly variable: Value; readonly value: Value; readonly declare: boolean }
  /** `for (index = from; index < to; index += step) body`. The bounds are evaluated once; zero iterations are legal. */
  | {
      readonly kind: 'for'
      readonly index: Value
      readonly from: Bound
      readonly to: Bound
      readonly step: number
      readonly body: readonly Statement[]
    }

export interface Kernel {
  /** For people: printed in listings and profiles. */
  readonly name: string
  readonly lanes: number
  /** The work units [unitBegin, unitEnd) that this call does; units are independent of one another. */
  readonly unitBegin: Value
  readonly unitEnd: Value
  /** The address of this thread's scratch memory, 64-byte aligned; `scratchBytes` of it are this kernel's. */
  readonly scratch: Value
  readonly scratchBytes: number
  /** One address per buffer argument, in the order of the launch. */
  readonly pointers: readonly Value[]
  readonly body: readonly Statement[]
  /** All value ids are below this. */
  readonly valueCount: number
}
