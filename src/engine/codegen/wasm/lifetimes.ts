/** Where each value of a kernel is needed for the last time, so that its local can be used again. */
import type { Bound, Kernel, Statement, Value } from '../../kernel/kernel.ts'

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
    for (const value of valuesUsed(statement)) this.#use(value, statement)
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

const boundValues = (...bounds: readonly Bound[]): readonly Value[] =>
  bounds.filter((bound): bound is Value => typeof bound !== 'number')

/** What the statement itself reads; not what a loop's body reads. */
function valuesUsed(statement: Statement): readonly Value[] {
  switch (statement.kind) {
    case 'op':
      return statement.args
    case 'load':
    case 'broadcast':
    case 'loadInt':
    case 'prefetch':
    case 'store': {
      const { base, index } = statement.address
      const address = index === undefined ? [base] : [base, index]
      return statement.kind === 'store' ? [...address, statement.value] : address
    }
    case 'assign':
      return [statement.value]
    case 'for':
      return boundValues(statement.from, statement.to)
  }
}
