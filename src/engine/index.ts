/** The engine's only door: trace a function of tensors, differentiate it, and compile it for a backend. */
export type { DType, Shape, TensorType } from './ir/node.ts'
export { sameShape, sizeOf } from './ir/node.ts'
export { topologicalOrder } from './ir/order.ts'
export { printGraph } from './ir/print.ts'
export { scope } from './ir/scope.ts'
export { verifyGraph } from './ir/verify.ts'
export { ShapeError, type Tensor } from './ops/row.ts'
export { describeType } from './ir/describe.ts'

export { asTensor, constant, type Operand } from './ops/leaf.ts'
export { abs, add, div, maximum, minimum, mul, neg, reciprocal, rsqrt, sqrt, square, sub } from './ops/elementwise.ts'
export { cos, erf, exp, gelu, geluExact, log, sigmoid, silu, sin, tanh } from './ops/elementwiseMath.ts'
export { equal, greater, greaterEqual, less, lessEqual, notEqual, select } from './ops/compare.ts'
export { lastAxisIndex, toFloat, toInt } from './ops/cast.ts'
export { broadcastTo, flip, reshape, slice, transpose, zeros } from './ops/movement.ts'
export { concat, pad } from './ops/join.ts'
export { maxOver, mean, sum, type Axes, type ReduceOptions } from './ops/reduce.ts'
export { matmul } from './ops/matmul.ts'
export { gather, scatterAdd } from './ops/embedding.ts'
export { groupedMatmul, groupedOuter } from './ops/grouped.ts'
export { groupBy, groupRows, ungroupRows, type Grouping } from './ops/grouping.ts'
export { takeColumns, topK, type TopK } from './ops/topK.ts'
export { layerNorm, logSoftmax, rmsNorm, softmax, type NormOptions } from './ops/normalize.ts'
export { clipByGlobalNorm, crossEntropy, logSumExp, type CrossEntropyOptions } from './ops/loss.ts'
export { mixPairs } from './ops/pairs.ts'
export { attention, type AttentionOptions } from './ops/attention.ts'
export { cachedAttention, type CachedAttentionOptions } from './ops/cachedAttention.ts'
export { dropout, randomUniform } from './ops/random.ts'
export { allRows } from './ops/table.ts'

export {
  bufferName,
  graphBuffers,
  leafBuffer,
  trace,
  type Graph,
  type GraphBuffer,
  type TraceContext,
  type TraceResult,
} from './trace/trace.ts'
export { graphFlops } from './trace/flops.ts'
export { usesBf16, withPrecision } from './trace/precision.ts'
export { precisions, type Precision } from './ops/precision.ts'
export { gradient } from './autodiff/gradient.ts'

export { assertPrecision, PrecisionError } from './runtime/backend.ts'
export type { Backend, BackendName, Executable, ExecutableReport, LaunchTime, NumberArray } from './runtime/backend.ts'
export {
  availableBackends,
  BackendError,
  createBackend,
  type BackendAvailability,
  type BackendOptions,
} from './runtime/create.ts'
export { createInterpreterBackend } from './runtime/interpreter/interpreter.ts'
export { cpuFeatures } from './runtime/native/machine.ts'
export { featureNames } from './runtime/native/cpu.ts'
export { memoryProgramNames, type MemoryProgramName } from './runtime/ceilingKernels.ts'
export { createCeilings, type CeilingOptions, type CeilingRates, type Ceilings } from './runtime/ceilings.ts'
export { LaunchSums, renderProfile, type ProfileCeilings, type ProfileRow } from './runtime/profile.ts'
export { createProfiler, type Profiler } from './runtime/profiler.ts'
export { inspect, inspections, type Inspection } from './runtime/inspect.ts'
