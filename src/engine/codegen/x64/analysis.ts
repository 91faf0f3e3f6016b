/** What instruction selection needs to know of each value: whether it is used, folded into its use, or a variable's next value. */
import type { Value } from '../../kernel/kernel.ts'
import type { ScalarOpName } from '../../kernel/scalarOps.ts'
import { addressReads } from '../../kernel/reads.ts'
import type { FlatStatement, NormalKernel } from './normalize.ts'

export interface KernelAnalysis {
  /** By root value id: number of uses by statements that are needed. */
  readonly uses: Int32Array
  /** By statement index: whether it is needed. */
  readonly needed: Uint8Array
  /** By root value id: the load is a memory operand of the one op that uses it. */
  readonly folded: Uint8Array
  /** By root value id: the variable whose register it is computed in, because an `assign` follows; or -1. */
  readonly into: Int32Array
}

/** By op: which arguments may be memory operands, best first. Where two operands commute, either may. */
const foldable: { readonly [K in ScalarOpName]?: readonly number[] } = {
  add: [1, 0],
  sub: [1],
  mul: [1, 0],
  div: [1],
  multiplyAdd: [1, 0, 2],
  min: [1],
  max: [1],
  sqrt: [0],
  round: [0],
  addInt: [1, 0],
  subInt: [1],
  mulInt: [1, 0],
  and: [1, 0],
  or: [1, 0],
  xor: [1, 0],
  bf16Pair: [0],
  pairDot: [1, 0],
  toInt: [0],
  toFloat: [0],
  less: [1],
  lessEqual: [1],
  equal: [1, 0],
  notEqual: [1, 0],
  equalInt: [1, 0],
  select: [1],
  selectInt: [1],
}

/** `broadcasts`: whether one element of memory can be an operand for all lanes (AVX-512). */
export function analyse(normal: NormalKernel, broadcasts: boolean): KernelAnalysis {
  const { uses, needed } = countUses(normal)
  const decisions = new Decisions(normal, uses, broadcasts)
  normal.statements.forEach((flat, at) => {
    if (needed[at]) decisions.visit(flat, at)
  })
  return { uses, needed, folded: decisions.folded, into: decisions.into }
}

/** Backwards, so that what only serves unneeded statements is unneeded too. */
function countUses({ kernel, statements, root }: NormalKernel): { uses: Int32Array; needed: Uint8Array } {
  const uses = new Int32Array(kernel.valueCount)
  const needed = new Uint8Array(statements.length)
  for (let at = statements.length - 1; at >= 0; at--) {
    const flat = statements[at]!
    const { statement } = flat
    const target = 'target' in statement ? statement.target.id : -1
    // A statement that only renames bits has its uses counted at the root.
    if (target >= 0 && (uses[target] === 0 || root[target] !== target)) continue
    needed[at] = 1
    for (const value of flat.reads) uses[root[value.id]!]!++
  }
  return { uses, needed }
}

class Decisions {
  readonly folded: Uint8Array
  readonly into: Int32Array
  readonly #normal: NormalKernel
  readonly #uses: Int32Array
  readonly #broadcasts: boolean
  /** By value id: index of the defining statement, of the loop around it, and the epoch of memory. */
  readonly #definedAt: Int32Array
  readonly #definedIn: Int32Array
  readonly #epochs: Int32Array
  /** By variable id: the last statement so far that read or changed it. */
  readonly #lastAccess: Int32Array
  /** Rises whenever memory or a variable int changes: a load may not be moved across. */
  #epoch = 0

  constructor(normal: NormalKernel, uses: Int32Array, broadcasts: boolean) {
    const { valueCount } = normal.kernel
    this.#normal = normal
    this.#uses = uses
    this.#broadcasts = broadcasts
    this.folded = new Uint8Array(valueCount)
    this.into = new Int32Array(valueCount).fill(-1)
    this.#definedAt = new Int32Array(valueCount).fill(-1)
    this.#definedIn = new Int32Array(valueCount).fill(-1)
    this.#epochs = new Int32Array(valueCount)
    this.#lastAccess = new Int32Array(valueCount).fill(-1)
  }

  visit(flat: FlatStatement, at: number): void {
    const { statement, reads, body } = flat
    if (statement.kind === 'op') this.#fold(statement.op, statement.args, body, at)
    for (const value of reads) this.#lastAccess[value.id] = at
    if ('target' in statement) {
      this.#definedAt[statement.target.id] = at
      this.#definedIn[statement.target.id] = body
      this.#epochs[statement.target.id] = this.#epoch
    } else if (statement.kind === 'assign') {
      const { variable, value } = statement
      this.#coalesce(variable, this.#normal.root[value.id]!, body)
      this.#lastAccess[variable.id] = at
      if (variable.type === 'int') this.#epoch++
    } else if (statement.kind === 'store') {
      this.#epoch++
    }
  }

  #fold(op: ScalarOpName, args: readonly Value[], body: number, at: number): void {
    for (const place of foldable[op] ?? []) {
      const id = this.#normal.root[args[place]!.id]!
      if (!this.#mayFold(id, body)) continue
      this.folded[id] = 1
      const load = this.#normal.definitions[id]!
      if ('address' in load) for (const value of addressReads(load.address)) this.#lastAccess[value.id] = at
      return
    }
  }

  #mayFold(id: number, body: number): boolean {
    const load = this.#normal.definitions[id]
    const whole =
      (load?.kind === 'load' && load.lanes === this.#normal.kernel.lanes) ||
      (load?.kind === 'broadcast' && this.#broadcasts)
    return whole && this.#uses[id] === 1 && this.#definedIn[id] === body && this.#epochs[id] === this.#epoch
  }

  /** A value that is only assigned may be computed in the variable's register, if nobody needs the old content meanwhile. */
  #coalesce(variable: Value, id: number, body: number): void {
    const definition = this.#normal.definitions[id]
    if (!definition || this.#normal.isVariable[id]) return
    if (definition.kind === 'op' && isConstant(definition.op)) return
    const alone = this.#uses[id] === 1 && this.#definedIn[id] === body
    if (alone && this.#lastAccess[variable.id]! <= this.#definedAt[id]!) this.into[id] = variable.id
  }
}

/** Ops without arguments: their values can be made anywhere. */
export function isConstant(op: ScalarOpName): boolean {
  return op === 'constant' || op === 'constantInt' || op === 'laneIndex' || op === 'intConstant'
}
