/**
 * Parameter groups, in the shape in which PyTorch and the note write them:
 *
 *     adamw([{ params: matrices, weightDecay: 0.1 }, { params: rest, weightDecay: 0 }], { learningRate: 3e-4 })
 *
 * This is the pure part: from groups to one setting per parameter name, each parameter exactly once.
 */
import type { ParameterSpec } from '../nn/parameter.ts'
import { nearest } from './nearest.ts'
import type { Schedule } from './schedule.ts'

/** What a group needs to know of a parameter. */
export type GroupParameter = Pick<ParameterSpec, 'name' | 'aliases' | 'frozen'> & Partial<Pick<ParameterSpec, 'role'>>

export interface ParameterGroup {
  readonly params: GroupParameter | readonly GroupParameter[]
  /** λ of this group; default the optimizer's. */
  readonly weightDecay?: number
  /** Learning rate of this group at the peak; default the optimizer's. */
  readonly learningRate?: number
  /** The same as a factor on the optimizer's, zero or more; give one of the two. Default 1. */
  readonly learningRateMultiplier?: number
  /** What λ is multiplied with in each step, counted from 0; default the optimizer's, or 1 throughout. */
  readonly decaySchedule?: Schedule
  /**
   * For the form `corrected`: whether the layers' outputs are normalised, so that the scale of these weights does not
   * matter. Default: true for the role `matrix`, false for all other roles.
   */
  readonly normalised?: boolean
}

export interface GroupDefaults {
  /** The optimizer's (peak) learning rate. */
  readonly learningRate: number
  /** The optimizer's λ. */
  readonly weightDecay: number
}

export interface GroupSetting {
  readonly weightDecay: number
  /** What the scheduled learning rate is multiplied with; a group's learning rate over the optimizer's. */
  readonly learningRateMultiplier: number
  /** Which of the groups, from 0; for messages and tables. */
  readonly group: number
  readonly decaySchedule?: Schedule
  readonly normalised?: boolean
}

const KEYS = ['params', 'weightDecay', 'learningRate', 'learningRateMultiplier', 'decaySchedule', 'normalised'] as const
const OPTIMIZER_KEYS = new Set(['betas', 'eps', 'policy', 'form', 'clip'])

/**
 * One setting per parameter name, in the order of the groups.
 *
 * `groups` is a list of parameters (one group with the defaults) or a list of groups. Frozen parameters get λ = 0.
 * With `all`, the model's whole list, every trainable parameter must be in a group.
 *
 * Throws TypeError for a Set (its order is not the model's and differs between runs), an unknown key, an empty
 * group, a parameter in two groups (also under two tied names) or listed twice in one, and RangeError for a negative
 * or NaN number. Two tied names within one group are one parameter.
 */
export function resolveGroups(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  defaults: GroupDefaults,
  all?: readonly GroupParameter[],
): Map<string, GroupSetting> {
  checkNumber('learningRate', defaults.learningRate, 'the optimizer')
  checkNumber('weightDecay', defaults.weightDecay, 'the optimizer')
  const list = toGroups(groups)
  const members = list.map((group, index) => membersOf(group, index))
  const owners = tiedNames([...(all ?? []), ...members.flat()])
  const settings = new Map<string, GroupSetting>()
  for (const [index, group] of list.entries()) {
    const shared = settingOf(group, index, defaults)
    for (const parameter of members[index] ?? []) {
      const name = owners.get(parameter.name) ?? parameter.name
      refuseTwoGroups(parameter.name, name, index, settings.get(name))
      settings.set(name, parameter.frozen === true ? { ...shared, weightDecay: 0 } : shared)
    }
  }
  refuseForgotten(all ?? [], settings)
  return settings
}

/** Every parameter of the groups in their order, tied names not yet merged. The groups must have passed `resolveGroups`. */
export function listParameters(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
): readonly GroupParameter[] {
  return toGroups(groups).flatMap(({ params }) => params)
}

function toGroups(groups: unknown): readonly ParameterGroup[] {
  refuseSet(groups, 'The parameters')
  if (!Array.isArray(groups) || groups.length === 0) {
    throw new TypeError('Give a list with at least one parameter or one group { params, weightDecay }.')
  }
  const items: readonly unknown[] = groups
  const grouped = items.filter((item) => isObject(item) && 'params' in item)
  if (grouped.length === 0) return [{ params: items as readonly GroupParameter[] }]
  if (grouped.length < items.length) {
    throw new TypeError(
      'The list mixes parameters with groups; put the loose parameters in a group { params } of their own.',
    )
  }
  return grouped as readonly ParameterGroup[]
}

function membersOf(group: ParameterGroup, index: number): readonly GroupParameter[] {
  for (const key of Object.keys(group)) {
    if (KEYS.some((known) => known === key)) continue
    const near = nearest(key, KEYS)
    const hint = OPTIMIZER_KEYS.has(key)
      ? `"${key}" is set once for the whole optimizer, in its options.`
      : `${near === undefined ? '' : `Did you mean "${near}"? `}A group has ${KEYS.join(', ')}.`
    throw new TypeError(`Group ${index} has an unknown key "${key}". ${hint}`)
  }
  const params: unknown = group.params
  refuseSet(params, `Group ${index}: params`)
  const list: readonly unknown[] = Array.isArray(params) ? params : [params]
  const seen = new Set<string>()
  if (list.length === 0)
    throw new TypeError(`Group ${index} is empty; leave it out, or check the filter that filled it.`)
  for (const item of list) {
    if (!isObject(item) || typeof item['name'] !== 'string' || !Array.isArray(item['aliases'])) {
      const shown = JSON.stringify(item) ?? String(item)
      throw new TypeError(`Group ${index} holds ${shown}, which is no parameter { name, aliases }.`)
    }
    if (seen.has(item['name'])) throw new TypeError(`Group ${index} lists "${item['name']}" twice; list it once.`)
    seen.add(item['name'])
  }
  return list as readonly GroupParameter[]
}

/** Any name or alias -> the one name that the optimizer keeps its state under: the first one met. */
function tiedNames(parameters: readonly GroupParameter[]): Map<string, string> {
  const owners = new Map<string, string>()
  for (const { name, aliases } of parameters) {
    const labels = [name, ...aliases]
    const met = labels.map((label) => owners.get(label)).filter((owner) => owner !== undefined)
    const owner = met[0] ?? name
    if (met.some((other) => other !== owner)) {
      for (const [label, current] of owners) if (met.includes(current)) owners.set(label, owner)
    }
    for (const label of labels) owners.set(label, owner)
  }
  return owners
}

function settingOf(group: ParameterGroup, index: number, defaults: GroupDefaults): GroupSetting {
  const where = `group ${index}`
  const weightDecay = checkNumber('weightDecay', group.weightDecay ?? defaults.weightDecay, where)
  return {
    weightDecay,
    learningRateMultiplier: multiplierOf(group, where, defaults),
    group: index,
    ...(group.decaySchedule === undefined ? {} : { decaySchedule: checkSchedule(group.decaySchedule, where) }),
    ...(group.normalised === undefined ? {} : { normalised: checkFlag(group.normalised, where) }),
  }
}

function multiplierOf(group: ParameterGroup, where: string, defaults: GroupDefaults): number {
  const { learningRateMultiplier } = group
  if (learningRateMultiplier !== undefined) {
    if (group.learningRate === undefined) return checkNumber('learningRateMultiplier', learningRateMultiplier, where)
    throw new TypeError(`${where} has both a learningRate and a learningRateMultiplier; keep one of them.`)
  }
  const learningRate = checkNumber('learningRate', group.learningRate ?? defaults.learningRate, where)
  if (learningRate === defaults.learningRate) return 1
  if (defaults.learningRate === 0) {
    throw new RangeError(
      `learningRate of ${where} is ${learningRate}, but the optimizer's is 0, so no factor between them exists.`,
    )
  }
  return learningRate / defaults.learningRate
}

function checkSchedule(schedule: unknown, where: string): Schedule {
  if (typeof schedule === 'function') return schedule as Schedule
  throw new TypeError(
    `decaySchedule of ${where} is ${JSON.stringify(schedule) ?? String(schedule)}; it must be a function from the step, ` +
      'counted from 0, to what λ is multiplied with.',
  )
}

function checkFlag(flag: unknown, where: string): boolean {
  if (typeof flag === 'boolean') return flag
  throw new TypeError(`normalised of ${where} is ${JSON.stringify(flag) ?? String(flag)}; it must be true or false.`)
}

/** Throws when `given` is in an earlier group too, whichever of its tied names was used there. */
function refuseTwoGroups(given: string, name: string, index: number, earlier: GroupSetting | undefined): void {
  if (earlier === undefined || earlier.group === index) return
  const tie = given === name ? '' : ` (the same tensor as "${name}", to which it is tied)`
  const where = `in group ${earlier.group} and in group ${index}`
  throw new TypeError(`"${given}"${tie} is ${where}; every parameter belongs to exactly one group.`)
}

function refuseForgotten(all: readonly GroupParameter[], settings: ReadonlyMap<string, GroupSetting>): void {
  const forgotten = all.filter(({ name, frozen }) => frozen !== true && !settings.has(name)).map(({ name }) => name)
  if (forgotten.length === 0) return
  const shown = forgotten.slice(0, 5).join(', ') + (forgotten.length > 5 ? ', …' : '')
  throw new TypeError(`${forgotten.length} trainable parameters are in no group: ${shown}. Add them, or freeze them.`)
}

function refuseSet(value: unknown, what: string): void {
  if (!(value instanceof Set)) return
  throw new TypeError(
    `${what} came as a Set. Give an array in the model's order: a set's order follows from how it was filled, ` +
      'so it can change between runs, and optimizer state would be paired with other tensors on resume.',
  )
}

function checkNumber(key: string, value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
  throw new RangeError(`${key} of ${where} is ${shown}; it must be a finite number, zero or more.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
