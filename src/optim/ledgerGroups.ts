/** From a ledger to an optimizer's groups, so that exactly what the ledger names decays, as fast as it says. */
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Ledger } from './ledger.ts'

/**
 * One group for each λ and learning-rate multiplier of the ledger:
 *
 *     adamw(ledgerGroups(book, parameters), { learningRate: 1e-3 })
 *
 * with the learning rate that the ledger was made for, at its peak. Throws TypeError where the two do not name the same
 * tensors.
 */
export function ledgerGroups<P extends GroupParameter>(
  { entries }: Pick<Ledger, 'entries'>,
  parameters: readonly P[],
): (ParameterGroup & { readonly params: readonly P[] })[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const groups = new Map<string, ParameterGroup & { readonly params: P[] }>()
  for (const { name, weightDecay, learningRateMultiplier } of entries) {
    const parameter = byName.get(name)
    if (!parameter) throw new TypeError(`The ledger names "${name}", which is none of the parameters given.`)
    byName.delete(name)
    const key = `${weightDecay} ${learningRateMultiplier}`
    const group = groups.get(key) ?? { params: [], weightDecay, learningRateMultiplier }
    group.params.push(parameter)
    groups.set(key, group)
  }
  const [forgotten] = byName.keys()
  if (forgotten !== undefined)
    throw new TypeError(`The ledger does not name "${forgotten}"; build it of all parameters.`)
  return [...groups.values()]
}
