/**
 * What a trainable tensor is before it has any values: its name, shape, ROLE and initialisation.
 *
 * The role says what the tensor is for. It is declared by the model where the tensor is born, because a name rule
 * breaks on renaming and a dimension rule breaks when layers are stacked; weight decay is decided from it.
 */

/**
 * - `matrix`: weights of a linear map, two or more dimensions
 * - `embedding`: token table [vocabulary, width]; also when the output head shares it
 * - `position`: learned position table [context, width]
 * - `head`: output projection of its own, not shared with the token table
 * - `gain`: multiplicative vector of a norm, in any shape (stacked layers have [layers, width])
 * - `bias`: additive term, in any shape
 * - `router`: gate that picks experts
 * - `scalar`: a single learned number or a handful, such as a logit scale
 */
export const ROLES = ['matrix', 'embedding', 'position', 'head', 'gain', 'bias', 'router', 'scalar'] as const
export type Role = (typeof ROLES)[number]

/** How the first values are drawn; `std` is in units of the weight, `bound` in standard deviations. */
export type Init =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'truncated-normal'; readonly std: number; readonly bound: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }

export const zeros: Init = { kind: 'zeros' }
export const ones: Init = { kind: 'ones' }

/** Gaussian with mean 0 and standard deviation `std`. */
export function normal(std: number): Init {
  return { kind: 'normal', std }
}

/** Gaussian with mean 0, redrawn beyond `bound` standard deviations (default 3, as in OLMo-2). */
export function truncatedNormal(std: number, bound = 3): Init {
  return { kind: 'truncated-normal', std, bound }
}

export interface ParameterSpec {
  /** Unique in the model; optimizer state and checkpoints are keyed by it. */
  readonly name: string
  /** `[]` is one number. */
  readonly shape: readonly number[]
  readonly role: Role
  readonly init: Init
  /** Other names under which the model uses this very tensor (tied weights). */
  readonly aliases: readonly string[]
  /** Neither trained nor decayed. */
  readonly frozen?: boolean
  /** The share of it that computes one token, above 0 to 1: of E experts with k chosen, k/E. All of it unless told. */
  readonly activeShare?: number
}

/** How many numbers a tensor of this shape holds; 1 for `[]`. */
export function parameterCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** The sum over tensors; tied tensors count once, since they are one parameter. */
export function totalParameters(parameters: readonly ParameterSpec[]): number {
  return parameters.reduce((sum, parameter) => sum + parameterCount(parameter.shape), 0)
}

/** The parameters that compute one token: all but those of experts that were not chosen. */
export function activeParameters(parameters: readonly ParameterSpec[]): number {
  return parameters.reduce(
    (sum, { shape, activeShare = 1 }) => sum + Math.round(parameterCount(shape) * activeShare),
    0,
  )
}

/** Collects a model's parameters in the order of declaration. */
export interface ParameterList {
  /**
   * Declares a parameter. Throws when the name is taken (as a name or as a tie), or when the shape, role or
   * initialisation makes no sense. Returns the name, so that `const w = list.declare('wte.weight', …)` reads well.
   */
  declare(name: string, shape: readonly number[], role: Role, init: Init, options?: DeclareOptions): string
  /** Says that `alias` is the tensor already declared as `name` (or as another alias of it). */
  tie(alias: string, name: string): void
  /** All parameters, in order of declaration. */
  list(): readonly ParameterSpec[]
}

export type DeclareOptions = Pick<ParameterSpec, 'frozen' | 'activeShare'>

/** An empty list for a model to declare its parameters in. */
export function parameterList(): ParameterList {
  const specs = new Map<string, ParameterSpec>()
  const owners = new Map<string, string>() // any name or alias -> the declared name

  const claim = (name: string, owner: string): void => {
    if (name === '' || /\s/.test(name)) {
      throw new Error(`Parameter name ${JSON.stringify(name)}: a name must be non-empty and free of spaces.`)
    }
    const earlier = owners.get(name)
    if (earlier !== undefined) {
      const what = earlier === name ? 'is declared already' : `is already tied to "${earlier}"`
      throw new Error(`Parameter "${name}" ${what}; every parameter needs a name of its own.`)
    }
    owners.set(name, owner)
  }

  return {
    declare(name, shape, role, init, options = {}) {
      checkShape(name, shape)
      checkInit(name, init)
      if (!ROLES.includes(role)) {
        throw new Error(`Parameter "${name}": unknown role "${String(role)}"; the roles are ${ROLES.join(', ')}.`)
      }
      claim(name, name)
      const { activeShare = 1 } = options
      if (!(activeShare > 0 && activeShare <= 1)) {
        throw new Error(`Parameter "${name}": its active share is ${activeShare}; it must be above 0, at most 1.`)
      }
      const frozen = options.frozen === true ? { frozen: true } : {}
      const active = activeShare === 1 ? {} : { activeShare }
      specs.set(name, { name, shape: [...shape], role, init, aliases: [], ...frozen, ...active })
      return name
    },
    tie(alias, name) {
      const owner = owners.get(name)
      const spec = owner === undefined ? undefined : specs.get(owner)
      if (spec === undefined) {
        throw new Error(`Cannot tie "${alias}" to "${name}": no such parameter; declare "${name}" first.`)
      }
      claim(alias, spec.name)
      specs.set(spec.name, { ...spec, aliases: [...spec.aliases, alias] })
    },
    list() {
      return [...specs.values()]
    },
  }
}

function checkShape(name: string, shape: readonly number[]): void {
  if (shape.every((size) => Number.isSafeInteger(size) && size > 0)) return
  throw new Error(`Parameter "${name}" has shape [${shape.join(', ')}]; every size must be a positive whole number.`)
}

function checkInit(name: string, init: Init): void {
  if ((init.kind === 'normal' || init.kind === 'truncated-normal') && !(Number.isFinite(init.std) && init.std >= 0)) {
    throw new Error(`Parameter "${name}": initial std ${init.std} must be a finite number, zero or more.`)
  }
  if (init.kind === 'truncated-normal' && !(init.bound > 0)) {
    throw new Error(`Parameter "${name}": truncation bound ${init.bound} must be above zero standard deviations.`)
  }
  if (init.kind === 'constant' && !Number.isFinite(init.value)) {
    throw new Error(`Parameter "${name}": initial value ${init.value} must be finite.`)
  }
}
