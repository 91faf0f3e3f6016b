/** From a ledger to an optimizer's groups, so that exactly what the ledger names decays, as fast as it says. */
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Ledger } from './ledger.ts'
import type { Schedule } from './schedule.ts'

/**
 * One group for each λ, schedule of λ and learning-rate multiplier of the ledger:
 *
 *     adamw(ledgerGroups(book, parameters), { learningRate: 1e-3 })
 *
 * with the learning rate that the ledger was made for, at its peak. `schedules` are those of λ by the names that the
 * ledger has for them. Throws TypeError where ledger and parameters do not name the same tensors, and for a schedule
 * that is not given.
 */
export function ledgerGroups<P extends GroupParameter>(
  { entries }: Pick<Ledger, 'entries'>,
  parameters: readonly P[],
  schedules: ReadonlyMap<string, Schedule> = new Map(),
): (ParameterGroup & { readonly params: readonly P[] })[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const groups = new Map<string, ParameterGroup & { readonly params: P[] }>()
  for (const { name, weightDecay, learningRateMultiplier, decaySchedule } of entries) {
    const parameter = byName.get(name)
    if (!parameter) throw new TypeError(`The ledger names "${name}", which is none of the parameters given.`)
    byName.delete(name)
    const key = JSON.stringify([weightDecay, learningRateMultiplier, decaySchedule])
    const group = groups.get(key) ?? {
      params: [],
      weightDecay,
      learningRateMultiplier,
      ...(decaySchedule === null ? {} : { decaySchedule: scheduleNamed(decaySchedule, schedules) }),
    }
    group.params.push(parameter)
    groups.set(key, group)
  }
  const [forgotten] = byName.keys()
  if (forgotten !== undefined)
    throw new TypeError(`The ledger does not name "${forgotten}"; build it of all parameters.`)
  return [...groups.values()]
}

/** Throws TypeError where the ledger's name for a schedule is not among those given. */
export function scheduleNamed(name: string, schedules: ReadonlyMap<string, Schedule>): Schedule {
  const schedule = schedules.get(name)
  if (schedule) return schedule
  throw new TypeError(`The ledger names the schedule "${name}", which is not among those given; pass it by that name.`)
}
