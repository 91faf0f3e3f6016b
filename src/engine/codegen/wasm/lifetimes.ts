/** Where each value of a kernel is needed for the last time, so that its local can be used again. */
import type { Kernel, Statement, Value } from '../../kernel/kernel.ts'
import { readsOf } from '../../kernel/reads.ts'

export interface Lifetimes {
  /** The values that nobody needs once the statement (with its body, for a loop) is done. */
  endingAt(statement: Statement): readonly number[]
  /** Whether `assign` changes the value after its declaration. */
  isChanged(value: Value): boolean
}

/**
 * A value that is used inside a loop, but defined outside it, is needed until the loop ends: the next round uses it
 * again.
 */
export function findLifetimes(kernel: Kernel): Lifetimes {
  const walk = new Walk()
  for (const value of [kernel.unitBegin, kernel.unitEnd, kernel.scratch, ...kernel.pointers]) walk.define(value)
  walk.block(kernel.body)
  const ending = new Map<Statement, number[]>()
  for (const [id, statement] of walk.lastStatement) {
    const values = ending.get(statement)
    if (values === undefined) ending.set(statement, [id])
    else values.push(id)
  }
  return {
    endingAt: (statement) => ending.get(statement) ?? [],
    isChanged: (value) => walk.changed.has(value.id),
  }
}

class Walk {
  readonly lastStatement = new Map<number, Statement>()
  readonly changed = new Set<number>()
  /** The number of loops around each value's definition. */
  readonly #definedIn = new Map<number, number>()
  readonly #loops: Statement[] = []

  define(value: Value, statement?: Statement): void {
    this.#definedIn.set(value.id, this.#loops.length)
    if (statement !== undefined) this.lastStatement.set(value.id, statement)
  }

  block(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement)
  }

  #statement(statement: Statement): void {
    for (const value of readsOf(statement)) this.#use(value, statement)
    switch (statement.kind) {
      case 'op':
      case 'load':
      case 'broadcast':
      case 'loadInt':
        return this.define(statement.target, statement)
      case 'store':
      case 'prefetch':
        return
      case 'assign':
        if (statement.declare) return this.define(statement.variable, statement)
        this.changed.add(statement.variable.id)
        return this.#use(statement.variable, statement)
      case 'for':
        this.define(statement.index, statement)
        this.#loops.push(statement)
        this.block(statement.body)
        this.#loops.pop()
    }
  }

  #use(value: Value, statement: Statement): void {
    const loopsAroundDefinition = this.#definedIn.get(value.id)
    if (loopsAroundDefinition === undefined) throw new Error(`value ${value.id} is used before it is defined`)
    this.lastStatement.set(value.id, this.#loops[loopsAroundDefinition] ?? statement)
  }
}
