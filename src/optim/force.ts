/**
 * What one step did to a tensor, from a few sums over its elements:
 *
 *     w ← w − u_g − u_d        u_g the gradient's part, u_d the decay's; u = u_g + u_d
 *
 * All angles are in radians. What does not apply is null: there is no decay part where nothing decays, or where the
 * decay acts on the loss or the gradient instead of the weights.
 */

/** Sums over the elements of one tensor or of several; w is the weights before the step, g the gradient before clipping. */
export interface ForceSums {
  readonly count: number
  /** Σ w² */
  readonly weight: number
  /** Σ g² */
  readonly gradient: number
  /** Σ g·w */
  readonly gradientAlong: number
  /** Σ u_g² */
  readonly gradientPart: number
  /** Σ u_g·w */
  readonly gradientPartAlong: number
  /** Null where no decay acts on the weights. */
  readonly decay: DecaySums | null
}

export interface DecaySums {
  /** Σ u_d² */
  readonly part: number
  /** Σ u_d·w */
  readonly along: number
  /** Σ u_g·u_d */
  readonly product: number
}

/** The measures of one step. */
export interface Force {
  /** ‖w‖ after the step. */
  readonly norm: number
  /** √mean(w²) after the step. */
  readonly rms: number
  /** ‖g‖ before clipping; under `loss-l2` the penalty's gradient is in it. */
  readonly gradientNorm: number
  /** ‖u‖/‖w‖; null for weights that are all 0. */
  readonly updateRatio: number | null
  /** ‖u‖ */
  readonly update: number
  /** ‖u_g‖ */
  readonly gradientPart: number
  /** ‖u_d‖ */
  readonly decayPart: number | null
  /** ‖u_d‖/(‖u_g‖ + ‖u_d‖) */
  readonly decayShare: number | null
  /** Between u_g and u_d: below π/2 both shrink the weights, above it the gradient holds against the decay. */
  readonly angle: number | null
  /** u_d·w/‖w‖²: the share of the weights that the decay took. */
  readonly shrink: number | null
  /** Between w before and after the step; null for weights that are all 0. */
  readonly rotation: number | null
}

/** The measures that follow from the sums. */
export function forceOf(sums: ForceSums): Force {
  const { count, weight, gradientPart, gradientPartAlong, decay } = sums
  const update = gradientPart + (decay === null ? 0 : decay.part + 2 * decay.product) // ‖u‖²
  const along = gradientPartAlong + (decay?.along ?? 0) // u·w
  const after = Math.max(0, weight - 2 * along + update) // ‖w − u‖²
  const [gradientNorm, decayNorm] = [root(gradientPart), decay && root(decay.part)]
  return {
    norm: root(after),
    rms: root(after / count),
    gradientNorm: root(sums.gradient),
    updateRatio: quotient(root(update), root(weight)),
    update: root(update),
    gradientPart: gradientNorm,
    decayPart: decayNorm,
    decayShare: decayNorm === null ? null : quotient(decayNorm, gradientNorm + decayNorm),
    angle: decay && angleBetween(decay.product, gradientPart, decay.part),
    shrink: decay && quotient(decay.along, weight),
    rotation: rotationOf(weight, update, along),
  }
}

/** The sums of several tensors as if they were one. */
export function addSums(all: readonly ForceSums[]): ForceSums {
  const total = (pick: (sums: ForceSums) => number): number => all.reduce((sum, sums) => sum + pick(sums), 0)
  const decaying = all.some(({ decay }) => decay !== null)
  return {
    count: total(({ count }) => count),
    weight: total(({ weight }) => weight),
    gradient: total(({ gradient }) => gradient),
    gradientAlong: total(({ gradientAlong }) => gradientAlong),
    gradientPart: total(({ gradientPart }) => gradientPart),
    gradientPartAlong: total(({ gradientPartAlong }) => gradientPartAlong),
    decay: decaying
      ? {
          part: total(({ decay }) => decay?.part ?? 0),
          along: total(({ decay }) => decay?.along ?? 0),
          product: total(({ decay }) => decay?.product ?? 0),
        }
      : null,
  }
}

/** The L2 penalty that acts on a gradient instead of on the weights. */
export interface PenaltyForce {
  /** ‖λ·w‖ */
  readonly norm: number
  /** Norm of the data's gradient that it is added to. */
  readonly gradientNorm: number
  /** Between the two: below π/2 the data shrinks the weights as well. */
  readonly angle: number | null
}

/**
 * For the forms `loss-l2`, where g has λ·w in it already, and `gradient-l2`, where λ·w joins g after clipping by
 * `coefficient`.
 */
export function penaltyOf(
  { weight, gradient, gradientAlong }: ForceSums,
  { lambda, actsOn, coefficient }: { lambda: number; actsOn: 'loss' | 'gradient'; coefficient: number },
): PenaltyForce {
  const [data, along] =
    actsOn === 'loss'
      ? [gradient - 2 * lambda * gradientAlong + lambda ** 2 * weight, gradientAlong - lambda * weight]
      : [coefficient ** 2 * gradient, coefficient * gradientAlong]
  return { norm: lambda * root(weight), gradientNorm: root(data), angle: angleBetween(along, data, weight) }
}

/**
 * The angle between w and w − u. From the part of u at a right angle to w, since the cosine of a thousandth of a
 * radian is 1 in float32.
 */
function rotationOf(weight: number, update: number, along: number): number | null {
  if (weight === 0) return null
  const parallel = along / root(weight)
  return Math.atan2(root(update - parallel ** 2), root(weight) - parallel)
}

/** Null where one of the two is 0. */
function angleBetween(product: number, squareA: number, squareB: number): number | null {
  const cosine = quotient(product, root(squareA) * root(squareB))
  return cosine === null ? null : Math.acos(Math.max(-1, Math.min(1, cosine)))
}

/** A sum of squares may come out a rounding error below 0. */
function root(value: number): number {
  return Math.sqrt(Math.max(0, value))
}

function quotient(a: number, b: number): number | null {
  return b === 0 ? null : a / b
}
