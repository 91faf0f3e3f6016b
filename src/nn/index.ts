/** Parameters and layers, as plain functions. */
export * from './parameter.ts'
export {
  declareGatedMlp,
  declareGroupedAttention,
  declareHead,
  declareLinear,
  declareNorm,
  type GroupedAttentionSizes,
  type QkNorm,
} from './declare.ts'
export {
  declareExperts,
  experts,
  loadBalancing,
  route,
  type ExpertParts,
  type ExpertSizes,
  type RouterOptions,
  type Routing,
} from './experts.ts'
export { cacheName, DECODING_INPUTS, decodingPass, type DecodingPass } from './decodingPass.ts'
export { embedding, gatedMlp, layerNormed, linear, mlp, rmsNormed } from './layers.ts'
export { lossSum, meanLoss, meanZLoss } from './loss.ts'
export {
  drawsMasks,
  evaluationPass,
  RANDOM_INPUTS,
  trainingPass,
  type AttendOptions,
  type AuxiliaryLoss,
  type Branch,
  type DropRates,
  type Pass,
} from './pass.ts'
export { rotate, rotation, type Rotation } from './rotary.ts'
export {
  groupedSelfAttention,
  packedSelfAttention,
  type GroupedAttentionOptions,
  type PackedAttentionOptions,
} from './selfAttention.ts'
export { replaceParameters, traceParameters, type TracedParameters } from './traced.ts'
