/** Instruction selection: the statements of a kernel become instructions over virtual registers. */
import type { Kernel, Statement, Value } from '../../kernel/kernel.ts'
import type { ScalarOpName } from '../../kernel/scalarOps.ts'
import type { VectorFeatures } from './constants.ts'
import type { Encoder } from './encoder.ts'
import { isPowerOfTwo } from './emitGeneral.ts'
import { registers } from './general.ts'
import { instruction, prefetchPurposes, type Instruction, type Loop, type VirtualRegisters } from './instruction.ts'
import { normalize, type FlatStatement, type NormalKernel } from './normalize.ts'
import { Selection } from './selection.ts'
import { selectLoad, selectStore, vectorRules, type OpRule } from './selectVector.ts'
import { vectorRows } from './vectorRows.ts'

export interface SelectedKernel {
  readonly normal: NormalKernel
  readonly instructions: readonly Instruction[]
  readonly registers: VirtualRegisters
  /** Holds the address of the table of buffer addresses. */
  readonly table: number
  /** Whether rax and rdx must be kept free for multiplication to 128 bits. */
  readonly divides: boolean
}

const general =
  (kind: 'intAdd' | 'intSub' | 'intMul' | 'intMin' | 'intMax'): OpRule =>
  (s, { target, args: [a, b] }) =>
    s.emit(kind, { target: s.define(target), a: s.use(a!), b: s.use(b!) })

const generalImmediate =
  (kind: 'addImmediate' | 'mulImmediate' | 'divide' | 'modulo'): OpRule =>
  (s, { target, args: [a], immediate }) =>
    s.emit(kind, { target: s.define(target), a: s.use(a!), immediate })

const rules: { readonly [K in ScalarOpName]: OpRule } = {
  ...vectorRules,
  intConstant: (s, { target, immediate }) => s.setOrigin(target, { kind: 'integer', value: immediate }),
  intAdd: general('intAdd'),
  intSub: general('intSub'),
  intMul: general('intMul'),
  intAddImmediate: generalImmediate('addImmediate'),
  intMulImmediate: generalImmediate('mulImmediate'),
  intDivImmediate: generalImmediate('divide'),
  intModImmediate: generalImmediate('modulo'),
  intMin: general('intMin'),
  intMax: general('intMax'),
}

export function select(kernel: Kernel, features: VectorFeatures, encoder: Encoder): SelectedKernel {
  const normal = normalize(kernel)
  const selection = new Selection(normal, features, encoder)
  const parameters = selectParameters(selection)
  new Body(selection, normal).run()
  const { body, registers, table } = selection
  const instructions = parameters.concat(selection.constantsAhead(), body)
  const divides = body.some(
    ({ kind, immediate }) => (kind === 'divide' || kind === 'modulo') && !isPowerOfTwo(immediate),
  )
  return { normal, instructions, registers, table, divides }
}

function parameter(target: number, immediate: number): Instruction {
  return instruction('parameter', { target, immediate })
}

/** unitBegin, unitEnd, the table and the scratch arrive in rdi, rsi, rdx and rcx; the table leaves last, as it may have to move. */
function selectParameters(s: Selection): Instruction[] {
  const { unitBegin, unitEnd, scratch } = s.kernel
  return [
    parameter(s.define(unitBegin), registers.rdi),
    parameter(s.define(unitEnd), registers.rsi),
    parameter(s.define(scratch), registers.rcx),
    parameter(s.table, registers.rdx),
  ]
}

class Body {
  readonly #s: Selection
  readonly #normal: NormalKernel
  #loops = 0

  constructor(selection: Selection, normal: NormalKernel) {
    this.#s = selection
    this.#normal = normal
  }

  run(): void {
    this.#block(0, this.#normal.statements.length)
  }

  #block(from: number, to: number): void {
    for (let at = from; at < to;) {
      const flat = this.#normal.statements[at]!
      this.#s.statement = at
      this.#s.depth = flat.depth
      if (this.#s.analysis.needed[at]) this.#statement(flat, at)
      at = flat.end
    }
  }

  #statement({ statement, end }: FlatStatement, at: number): void {
    const s = this.#s
    if ('target' in statement && s.analysis.folded[statement.target.id]) return
    switch (statement.kind) {
      case 'op':
        return rules[statement.op](s, statement)
      case 'load':
        return selectLoad(s, statement)
      case 'broadcast': {
        const memory = s.address(statement.address)
        return s.emit('unary', {
          row: vectorRows.broadcast,
          length: s.length,
          target: s.define(statement.target),
          memory,
        })
      }
      case 'loadInt':
        return s.emit('loadInt', { target: s.define(statement.target), memory: s.address(statement.address) })
      case 'store':
        return selectStore(s, statement)
      case 'prefetch':
        return s.emit('prefetch', {
          memory: s.address(statement.address),
          immediate: prefetchPurposes.indexOf(statement.purpose),
        })
      case 'assign':
        return this.#assign(statement.variable, statement.value)
      case 'for':
        return this.#loop(statement, at + 1, end)
    }
  }

  #assign(variable: Value, value: Value): void {
    const s = this.#s
    if (s.analysis.into[this.#normal.root[value.id]!] === variable.id) return
    const target = s.define(variable)
    const origin = s.originOf(value)
    if (origin && origin.kind !== 'pointer') return s.make(origin, target)
    const a = s.use(value)
    const kinds = { general: 'move', vector: 'moveVector', mask: 'moveMask' } as const
    s.emit(kinds[s.classOfValue(variable)], { target, a })
  }

  #loop(statement: Statement & { kind: 'for' }, bodyFrom: number, bodyTo: number): void {
    const s = this.#s
    const { index, from, to, step } = statement
    const known = typeof from === 'number' && typeof to === 'number'
    if (known && from >= to) return
    const a = s.define(index)
    if (typeof from === 'number') s.make({ kind: 'integer', value: from }, a)
    else this.#assign(index, from)
    const bound = typeof to === 'number' ? { immediate: to } : { b: this.#fixedBound(to) }
    const loop: Loop = { id: this.#loops++, guarded: !known, repeats: !(known && from + step >= to) }
    const depth = s.depth
    s.emit('loop', { a, ...bound, loop })
    this.#block(bodyFrom, bodyTo)
    s.statement = bodyFrom - 1
    s.depth = depth + 1
    if (loop.repeats) s.emit('addImmediate', { target: a, a, immediate: step })
    s.emit('endLoop', { a, ...bound, loop })
    s.depth = depth
  }

  /** The bound is evaluated once: a variable that the body may change is copied. */
  #fixedBound(bound: Value): number {
    const s = this.#s
    if (!this.#normal.isVariable[bound.id]) return s.use(bound)
    const target = s.temporary('general')
    s.emit('move', { target, a: s.use(bound) })
    return target
  }
}
