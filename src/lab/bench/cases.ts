/** All cases of the bench, and how names choose among them. */
import { nearest } from '../../optim/nearest.ts'
import type { BenchCase } from './benchCase.ts'
import { kernelCases } from './kernelCases.ts'
import { stepCases } from './stepCases.ts'

export const benchCases: readonly BenchCase[] = [...stepCases, ...kernelCases]

/** No case of the bench has the name that was given. */
export class UnknownCaseError extends Error {
  override readonly name = 'UnknownCaseError'
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** The name that stands for all cases. */
export const ALL = 'all'

/**
 * The cases of these names, in the list's order: a case's own name, the part of names before a dot (`matmul` for all
 * matmuls), or `all`; the quick ones without a name. Throws UnknownCaseError for another name, with the nearest ones.
 */
export function selectCases(names: readonly string[]): readonly BenchCase[] {
  if (names.length === 0) return benchCases.filter(({ quick }) => quick)
  for (const name of names) if (!benchCases.some((one) => isNamed(one, name))) throw unknownCase(name)
  return benchCases.filter((one) => names.some((name) => isNamed(one, name)))
}

function isNamed({ name }: BenchCase, wanted: string): boolean {
  return wanted === ALL || name === wanted || name.startsWith(`${wanted}.`)
}

function unknownCase(name: string): UnknownCaseError {
  const known = benchCases.map((one) => one.name)
  const groups = [...new Set(known.filter((one) => one.includes('.')).map((one) => one.split('.')[0]!))]
  const near = nearest(name, [...groups, ...known])
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  return new UnknownCaseError(`The bench has no case "${name}".`, `${guess}halflife bench --list shows all.`)
}
