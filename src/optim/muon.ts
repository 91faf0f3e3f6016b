/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for matrices, AdamW for all the rest. For a matrix of
 * A rows and B columns, with PyTorch's `torch.optim.Muon` as the measure:
 *
 *     b ← μ·b + (1 − μ)·g              u = μ·b + (1 − μ)·g with Nesterov, else b
 *     O = NewtonSchulz5(u)             u with all its singular values near 1
 *     w ← w − lr·λ·w − lr·s·O          s = √max(1, A/B) `original`, 0.2·√max(A, B) `match-rms-adamw`
 *
 * The decay is multiplied by lr and not by s: with s in it, matrices would decay at rates that follow from their shapes.
 * NewtonSchulz5 starts from X = u/‖u‖ and repeats X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X.
 *
 * `match-rms-adamw` (Moonlight, arXiv 2502.16982) makes the update as large as AdamW's usual one, RMS 0.2, so that
 * AdamW's learning rate and λ serve for both.
 */
import { add, div, matmul, maximum, mul, sqrt, square, sum, transpose, type Tensor } from '../engine/index.ts'
import { decayingOptimizer, type StepPoint, type StepResult } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import {
  betaPair,
  choice,
  decayRules,
  flag,
  fraction,
  nonNegative,
  positive,
  readOptions,
  whole,
  type DecayOptions,
  type OptionRules,
} from './optionRules.ts'

/** Defaults: learningRate 1e-3 (of the matrices), weightDecay 0.1, form `decoupled`. */
export interface MuonOptions extends DecayOptions {
  /** μ, from 0 to less than 1; default 0.95. */
  readonly momentum?: number
  /** Default true. */
  readonly nesterov?: boolean
  /** How the step is scaled with the matrix's shape; default `original`. */
  readonly scaling?: 'original' | 'match-rms-adamw'
  /** Newton-Schulz steps, 1 to 20; default 5. */
  readonly newtonSchulzSteps?: number
  /** Learning rate of what is not a matrix, at the peak; default 3e-4. It follows the same schedule, and so does its decay. */
  readonly adamwLearningRate?: number
  /** β1 and β2 of AdamW; default 0.9 and 0.95. */
  readonly betas?: readonly [number, number]
  /** ε of AdamW, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const muonRules: OptionRules<MuonOptions> = {
  ...decayRules({ learningRate: 1e-3, weightDecay: 0.1, form: 'decoupled' }),
  momentum: fraction(0.95),
  nesterov: flag(true),
  scaling: choice('original', ['original', 'match-rms-adamw']),
  newtonSchulzSteps: whole(5, 1, 20),
  adamwLearningRate: nonNegative(3e-4),
  betas: betaPair(0.9, 0.95),
  eps: positive(1e-8),
}

/** a, b and c of Jordan's quintic: steepest at 0 among those that keep singular values within 0.7 to 1.2. */
const QUINTIC = [3.4445, -4.775, 2.0315] as const
/** Least norm that a momentum is divided by. */
const LEAST_NORM = 1e-7

/**
 * Muon over parameter groups. Parameters of role `matrix` with two or more dimensions take Muon's step (stacked ones
 * matrix by matrix), all others AdamW's. Throws as `adamw` does, and TypeError for a parameter without a role.
 */
export function muon(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: MuonOptions = {},
): Optimizer {
  const settled = readOptions('muon', options, muonRules)
  const { betas, learningRate } = settled
  if (learningRate === 0) throw new RangeError('learningRate of muon is 0; give the peak of the schedule, above 0.')
  return decayingOptimizer('muon', groups, settled, {
    states: (parameter) => {
      const { name, shape } = parameter
      if (isMatrix(parameter, shape)) return [{ name: `${name}.momentum_buffer`, shape }]
      return [
        { name: `${name}.exp_avg`, shape },
        { name: `${name}.exp_avg_sq`, shape },
      ]
    },
    scalars: (step) => ({ biasCorrection1: 1 - betas[0] ** step, biasCorrection2: 1 - betas[1] ** step }),
    learningRateFactor: (parameter, shape) => muonLearningRateFactor({ ...parameter, shape }, settled),
    step: (point) => {
      return isMatrix(point, point.parameter.shape) ? muonStep(point, settled) : adamwStep(point, settled)
    },
  })
}

/** 1 for matrices, AdamW's learning rate over Muon's for the rest; their decay follows it too. */
export function muonLearningRateFactor(
  parameter: Pick<GroupParameter, 'name' | 'role'> & { readonly shape: readonly number[] },
  { learningRate, adamwLearningRate }: Pick<Required<MuonOptions>, 'learningRate' | 'adamwLearningRate'>,
): number {
  return isMatrix(parameter, parameter.shape) ? 1 : adamwLearningRate / learningRate
}

function muonStep({ name, gradient, learningRate, state }: StepPoint, options: Required<MuonOptions>): StepResult {
  const { momentum, nesterov, scaling, newtonSchulzSteps } = options
  const buffer = add(mul(state(`${name}.momentum_buffer`), momentum), mul(gradient, 1 - momentum))
  const direction = nesterov ? add(mul(buffer, momentum), mul(gradient, 1 - momentum)) : buffer
  const [rows, columns] = [gradient.shape.at(-2)!, gradient.shape.at(-1)!]
  const scale =
    scaling === 'original' ? Math.sqrt(Math.max(1, rows / columns)) : 0.2 * Math.sqrt(Math.max(rows, columns))
  return {
    direction: orthogonalise(direction, newtonSchulzSteps),
    scale: mul(learningRate, scale),
    states: { [`${name}.momentum_buffer`]: buffer },
  }
}

function adamwStep(
  { name, gradient, learningRate, state, scalar }: StepPoint,
  options: Required<MuonOptions>,
): StepResult {
  const [beta1, beta2] = options.betas
  const m = add(mul(state(`${name}.exp_avg`), beta1), mul(gradient, 1 - beta1))
  const v = add(mul(state(`${name}.exp_avg_sq`), beta2), mul(square(gradient), 1 - beta2))
  const root = div(sqrt(v), sqrt(scalar('biasCorrection2')))
  return {
    direction: div(m, add(root, options.eps)),
    scale: div(learningRate, scalar('biasCorrection1')),
    states: { [`${name}.exp_avg`]: m, [`${name}.exp_avg_sq`]: v },
  }
}

/** [..., A, B] with singular values brought near 1 by Newton-Schulz steps; each matrix of a stack by itself. */
export function orthogonalise(matrix: Tensor, steps: number): Tensor {
  const tall = matrix.shape.at(-2)! > matrix.shape.at(-1)!
  const wide = tall ? transpose(matrix) : matrix // XXᵀ is then the smaller of the two products
  const norm = sqrt(sum(square(wide), [-2, -1], { keepDims: true }))
  const [a, b, c] = QUINTIC
  let x = div(wide, maximum(norm, LEAST_NORM))
  for (let step = 0; step < steps; step++) {
    const gram = matmul(x, transpose(x))
    const polynomial = add(mul(gram, b), mul(matmul(gram, gram), c))
    x = add(mul(x, a), matmul(polynomial, x))
  }
  return tall ? transpose(x) : x
}

function isMatrix({ name, role }: Pick<GroupParameter, 'name' | 'role'>, shape: readonly number[]): boolean {
  if (role !== undefined) return role === 'matrix' && shape.length >= 2
  throw new TypeError(
    `Muon must know whether "${name}" is a matrix: shape alone does not tell it from a token table. Give it a role.`,
  )
}
