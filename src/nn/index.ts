/** Parameters and layers, as plain functions. */
export * from './parameter.ts'
export { DROPOUT_INPUTS, noDropout, traceDropout, type Dropout } from './dropout.ts'
export { causalSelfAttention, embedding, linear, mlp, norm, type SelfAttentionOptions } from './layers.ts'
export { lossSum, meanLoss } from './loss.ts'
export { traceParameters, type TracedParameters } from './traced.ts'
