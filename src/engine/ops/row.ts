/**
 * One row per tensor op: all that the system knows about it that no target needs to know.
 *
 * From the rows the rest follows: tracing checks shapes with `infer`, the interpreter runs `evaluate`, autodiff walks
 * `gradient`, the plan reads `lowering`, reports add up `flops`, and the conformance tests run every row's `samples`.
 */
import type { Layout } from '../ir/layout.ts'
import type { Attributes, Op, Shape, Tensor as GraphTensor, TensorType } from '../ir/node.ts'
import type { KernelBuilder } from '../kernel/builder.ts'
import type { Value } from '../kernel/kernel.ts'

export type Tensor = GraphTensor<OpRow>

/** A dense row-major array. Floats are Float64Array or Float32Array: the row must not care which. */
export interface NdArray {
  readonly shape: Shape
  readonly data: Float64Array | Float32Array | Int32Array
}

/** Where an elementwise op is being computed, for the ops whose value depends on the position. */
export interface Position {
  /** i32 vector: row-major index of each lane's element in the op's output. */
  linearIndex(): Value
  /** i32 vector: index of each lane's element along the last axis. */
  lastAxisIndex(): Value
}

export type Lowering =
  /** An input, a state buffer or a scalar constant. */
  | { readonly kind: 'leaf' }
  /**
   * One output element from the input elements at the same (broadcast) place. `cost` is roughly the number of vector
   * instructions: fusion recomputes what is cheap and stores what is not.
   */
  | {
      readonly kind: 'elementwise'
      readonly cost: number
      /** Which index of its `Position` the op reads, if any: fusion must keep that axis apart. */
      readonly position?: 'linearIndex' | 'lastAxisIndex'
      emit(b: KernelBuilder, inputs: readonly Value[], attributes: Attributes, position: Position): Value
    }
  /** Reduces `attributes.axis` to size 1. */
  | { readonly kind: 'reduce'; readonly combine: 'add' | 'max' }
  /** The same elements seen through another layout; undefined where no strides can say it (then they are copied). */
  | {
      readonly kind: 'view'
      view(input: Layout, attributes: Attributes, output: Shape): Layout | undefined
    }
  /** Replaced, before fusion, by simpler ops. */
  | { readonly kind: 'compose'; compose(inputs: readonly Tensor[], attributes: Attributes): Tensor }
  /** A hand-scheduled kernel form of `plan/forms/`. */
  | { readonly kind: 'form'; readonly form: FormName }

export type FormName =
  | 'matmul'
  | 'matmulAdd'
  | 'gather'
  | 'scatterAdd'
  | 'concat'
  | 'pad'
  | 'attention'
  | 'attentionGradient'
  | 'cachedAttention'
  | 'groupBy'
  | 'groupRows'
  | 'groupedMatmul'
  | 'groupedOuter'

export interface GradientContext {
  readonly inputs: readonly Tensor[]
  readonly output: Tensor
  /** dLoss/dOutput, of the output's shape. */
  readonly gradient: Tensor
  readonly attributes: Attributes
}

/**
 * A gradient that reaches only a part of the input, so that autodiff can join parts without filling each with zeros:
 * `region` is the gradient of [start, start + value.shape[axis]) along an axis; `accumulate` adds itself onto the sum
 * of the other gradients.
 */
export type PartialGradient =
  | { readonly kind: 'region'; readonly axis: number; readonly start: number; readonly value: Tensor }
  | { readonly kind: 'accumulate'; onto(sum: Tensor): Tensor }

/**
 * dLoss/dInput for each input, undefined where there is none (integer inputs). A result may have the output's shape where
 * the input was broadcast: autodiff sums it to the input's shape. `none` states why there is no gradient at all.
 */
export type GradientRule =
  | ((context: GradientContext) => readonly (Tensor | PartialGradient | undefined)[])
  | { readonly none: string }

/** Inputs for generated tests. Floats are uniform in [low, high); i32 are integers in [low, high); or the values themselves. */
export interface SampleInput {
  readonly shape: Shape
  readonly dtype?: 'f32' | 'i32'
  readonly low?: number
  readonly high?: number
  readonly values?: readonly number[]
}
export interface Sample {
  readonly inputs: readonly SampleInput[]
  readonly attributes?: Attributes
  /** Largest allowed |difference| relative to max(1, |expected|) between f32 targets and the f64 meaning; 1e-5 unless told. */
  readonly tolerance?: number
  /** Why finite differences do not apply here (a kink, an integer input). */
  readonly skipGradient?: string
}

export interface OpRow extends Op {
  readonly name: string
  /** Output type from input types; throws `ShapeError` with the shapes in its message. */
  infer(inputs: readonly TensorType[], attributes: Attributes): TensorType
  /** The plain meaning; also its definition. `output.data` is zeroed beforehand. */
  evaluate(inputs: readonly NdArray[], attributes: Attributes, output: NdArray): void
  readonly lowering: Lowering
  readonly gradient: GradientRule
  /** Whether the attribute `precision`, where it is 'bf16', makes the op round its operands (`precision.ts`). */
  readonly roundsOperands?: boolean
  /** Floating-point operations of the op as the field counts them (a multiply-add is two). */
  flops(inputs: readonly TensorType[], output: TensorType, attributes: Attributes): number
  readonly samples: readonly Sample[]
}

/** Shapes or dtypes that do not fit together. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
}
