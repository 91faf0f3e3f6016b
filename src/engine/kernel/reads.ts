/** What statements read. */
import type { Address, Statement, Value } from './kernel.ts'

/** The values that the statement itself reads; not what a loop's body reads. */
export function readsOf(statement: Statement): readonly Value[] {
  switch (statement.kind) {
    case 'op':
      return statement.args
    case 'load':
    case 'broadcast':
    case 'loadInt':
    case 'prefetch':
      return addressReads(statement.address)
    case 'store':
      return [statement.value, ...addressReads(statement.address)]
    case 'assign':
      return [statement.value]
    case 'for':
      return [statement.from, statement.to].filter((bound) => typeof bound !== 'number')
  }
}

export function addressReads({ base, index }: Address): readonly Value[] {
  return index ? [base, index] : [base]
}
