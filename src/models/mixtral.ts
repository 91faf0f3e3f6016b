/**
 * Mixtral (Jiang et al. 2024, arXiv:2401.04088): Mistral's blocks with SwiGLU experts instead of one MLP. A router picks k
 * for each token; their gates are divided by their sum, which is a softmax over the k logits.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + attention(norm(x));  x = x + Σ_k gate_k · swiglu_k(norm(x))
 *     logits = norm(x) · lm_headᵀ
 *
 * Training adds the balancing loss of the Switch Transformer, as transformers' MixtralForCausalLM does; the paper names none.
 */
import { silu, type Tensor } from '../engine/index.ts'
import { declareExperts, experts, loadBalancing, route, type Routing } from '../nn/experts.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { DECODER_INIT, DECODER_OPTIONS, decoder, languageHead } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

const reads = [
  'kvHeads',
  'feedForward',
  'experts',
  'expertsPerToken',
  'balanceLoss',
  'normEps',
  'ropeTheta',
  'window',
  'tied',
] as const
type Config = ConfigOf<(typeof reads)[number]>

/** Checkpoints hold w1, w2 and w3 of each expert apart, [out, in]; here each is one tensor [E, in, out]. */
const PARTS = { gate: 'w1', up: 'w3', down: 'w2', activation: silu } as const

/** `routed` sees the routing of each block. */
function architecture(routed: (routing: Routing) => void) {
  return decoder<Config>({
    mlpName: 'block_sparse_moe',
    mlp: {
      declare(list, name, config) {
        list.declare(`${name}.gate.weight`, [config.width, config.experts], 'router', DECODER_INIT)
        declareExperts(list, `${name}.experts`, PARTS, config, DECODER_INIT)
      },
      apply(parameters, name, x, { expertsPerToken }) {
        const routing = route(parameters, `${name}.gate`, x, { expertsPerToken, renormalized: true })
        routed(routing)
        return experts(parameters, `${name}.experts`, x, routing, PARTS)
      },
    },
    window: ({ window }) => window,
  })
}

function hidden(parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor {
  const routings: Routing[] = []
  const x = architecture((routing) => routings.push(routing)).hidden(parameters, config, ids, pass)
  pass.addLoss('balance', loadBalancing(routings), config.balanceLoss)
  return x
}

/** The architecture `mixtral`, under MixtralForCausalLM's names. */
export const mixtral = defineModel({
  name: 'mixtral',
  reads,
  optional: DECODER_OPTIONS,
  declareParameters: (config): readonly ParameterSpec[] => architecture(() => {}).declareParameters(config),
  hidden,
  outputLayer: languageHead,
})
