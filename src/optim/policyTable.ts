/**
 * The decay policies as data: for each, an ordered list of clauses of which the first that matches answers.
 *
 * Who decays what differs between trainers that all say "AdamW, λ = 0.1"; read from their sources, commits of
 * 2023 to 2026. A role that a source does not know (a router in GPT-2's code, say) falls to its last clause.
 */
import type { Role } from '../nn/parameter.ts'

export interface PolicyClause {
  /** All that is given must hold; nothing given matches everything. */
  readonly when?: {
    readonly roles?: readonly Role[]
    /** Number of dimensions, from and to, inclusive. */
    readonly dimensions?: readonly [from: number, to: number]
    /** Tested against the name in lower case. */
    readonly names?: readonly RegExp[]
  }
  readonly decays: boolean | number
  readonly reason: string
}

export interface PolicyRow {
  readonly description: string
  readonly source: string
  readonly usualWeightDecay: number | null
  readonly clauses: readonly PolicyClause[]
}

const VECTORS_OUT: PolicyClause = {
  when: { dimensions: [0, 1] },
  decays: false,
  reason: 'fewer than two dimensions',
}
const GAINS_OUT: PolicyClause = { when: { roles: ['gain'] }, decays: false, reason: 'gain of a norm' }
const BIASES_OUT: PolicyClause = { when: { roles: ['bias'] }, decays: false, reason: 'bias' }
const TABLES_OUT: PolicyClause = {
  when: { roles: ['embedding', 'position'] },
  decays: false,
  reason: 'embedding table (a tied head goes with it)',
}
const TWO_DIMENSIONS: PolicyClause = { decays: true, reason: 'two or more dimensions' }
const REST: PolicyClause = { decays: true, reason: 'everything else decays' }
const EVERYTHING: PolicyClause = { decays: true, reason: 'everything decays' }

export const POLICY_ROWS = {
  /**
   * The note's rule by what it means: biases, norm gains and one-dimensional parameters stay out, matrices and
   * embeddings decay. Written as code in the note it reads `"bias" in name or "layer_norm" in name or p.ndim == 1`,
   * which misses what it means in several ways:
   * - "layer_norm" is in no GPT-2 name (`ln_1`, `ln_2`, `ln_f`), no LLaMA name (`input_layernorm`, `norm`) and no
   *   QK-norm name (`q_norm`): only the clause on dimensions saves the gains;
   * - gains with two dimensions are decayed all the same: stacked layers [64, 6144], per-head q_norm [32, 128];
   * - `relative_attention_bias.weight` [32, 12] is a table, and is left out because "bias" is in its name;
   * - under flat sharded parameters (FSDP) everything has one dimension, so nothing decays.
   * By role none of these happen.
   */
  note: {
    description: "The note's rule, by role: matrices and embeddings decay; biases, gains and 1-D parameters do not.",
    source: 'note.ja.md, "parameter groups"; read by role instead of by name',
    usualWeightDecay: 0.1,
    clauses: [BIASES_OUT, GAINS_OUT, VECTORS_OUT, { decays: true, reason: 'matrix or embedding' }],
  },
  nanogpt: {
    description: 'Two or more dimensions decay, both embeddings and the tied head included.',
    source: 'karpathy/nanoGPT model.py, configure_optimizers (p.dim() >= 2)',
    usualWeightDecay: 0.1,
    clauses: [VECTORS_OUT, TWO_DIMENSIONS],
  },
  mingpt: {
    description: 'Weights of linear layers decay; embeddings, gains and biases do not.',
    source:
      'karpathy/minGPT mingpt/model.py, configure_optimizers (by module class); tied: the embedding wins, as in epfml/llm-optimizer-benchmark src/models/base.py',
    usualWeightDecay: 0.1,
    clauses: [BIASES_OUT, GAINS_OUT, TABLES_OUT, VECTORS_OUT, { decays: true, reason: 'weight of a linear layer' }],
  },
  'gpt-1': {
    description: 'Two or more dimensions decay ("all non bias or gain weights"), with λ = 0.01.',
    source: 'Radford et al. 2018 §4.1; openai/finetune-transformer-lm opt.py (len(shape) > 1)',
    usualWeightDecay: 0.01,
    clauses: [VECTORS_OUT, TWO_DIMENSIONS],
  },
  'llm.c': {
    description: 'The CUDA trainer: a fixed list of tensors, the two embeddings and the four matrices of a layer.',
    source: 'karpathy/llm.c train_gpt2.cu, gpt2_update (tensors 0, 1, 4, 6, 10, 12)',
    usualWeightDecay: 0,
    clauses: [
      { when: { roles: ['embedding', 'position', 'head', 'matrix'] }, decays: true, reason: 'on the fixed list' },
      { decays: false, reason: 'not on the fixed list' },
    ],
  },
  'llm.c-cpu': {
    description: 'The CPU trainer: one loop over all parameters, gains and biases too.',
    source: 'karpathy/llm.c train_gpt2.c, gpt2_update',
    usualWeightDecay: 0,
    clauses: [EVERYTHING],
  },
  huggingface: {
    description: 'Trainer: all but norms (by class and name) and anything with "bias" in its name.',
    source: 'huggingface/transformers trainer.py, get_decay_parameter_names',
    usualWeightDecay: 0,
    clauses: [
      GAINS_OUT,
      BIASES_OUT,
      {
        when: { names: [/bias/, /layernorm/, /rmsnorm/, /(?:^|\.)norm(?:$|\.)/, /_norm(?:$|\.)/] },
        decays: false,
        reason: 'its name speaks of a bias or a norm',
      },
      REST,
    ],
  },
  megatron: {
    description: 'All but biases and tensors of exactly one dimension.',
    source: 'NVIDIA/Megatron-LM megatron/core/optimizer/__init__.py (len(shape) == 1 or *.bias)',
    usualWeightDecay: 0.01,
    clauses: [BIASES_OUT, { when: { dimensions: [1, 1] }, decays: false, reason: 'one dimension' }, REST],
  },
  neox: {
    description: 'All but norms (by class name) and biases.',
    source: 'EleutherAI/gpt-neox megatron/model/utils.py, get_params_for_weight_decay_optimization',
    usualWeightDecay: 0.1,
    clauses: [GAINS_OUT, BIASES_OUT, REST],
  },
  'olmo-2': {
    description: 'The reverse of custom: gains and biases decay, embeddings do not.',
    source: 'allenai/OLMo configs/official-1124 (decay_norm_and_bias: true, decay_embeddings: false), olmo/optim.py',
    usualWeightDecay: 0.1,
    clauses: [TABLES_OUT, REST],
  },
  levanter: {
    description: 'All but embeddings, norms and biases; a head of its own decays.',
    source: 'stanford-crfm/levanter src/levanter/optim/config.py, build_weight_decay_mask',
    usualWeightDecay: 0.1,
    clauses: [GAINS_OUT, BIASES_OUT, TABLES_OUT, REST],
  },
  torchtitan: {
    description: 'Everything decays (its default pattern is ".*").',
    source: 'pytorch/torchtitan torchtitan/components/optimizer.py, default_adamw',
    usualWeightDecay: 0.1,
    clauses: [EVERYTHING],
  },
  moonlight: {
    description: 'Everything decays, RMSNorm gains too ("crucial for ensuring training stability").',
    source: 'Moonlight report, arXiv 2502.16982, appendix D',
    usualWeightDecay: 0.1,
    clauses: [EVERYTHING],
  },
  timm: {
    description: 'Two or more dimensions decay, but not biases and not position tables.',
    source:
      'huggingface/pytorch-image-models timm/optim/_param_groups.py (ndim <= 1, *.bias, no_weight_decay list; its ViT lists pos_embed)',
    usualWeightDecay: 1e-5,
    clauses: [
      BIASES_OUT,
      VECTORS_OUT,
      { when: { roles: ['position'] }, decays: false, reason: 'on the no_weight_decay list' },
      TWO_DIMENSIONS,
    ],
  },
  all: {
    description: 'Every parameter decays.',
    source: 'definition',
    usualWeightDecay: null,
    clauses: [EVERYTHING],
  },
  none: {
    description: 'No parameter decays.',
    source: 'definition',
    usualWeightDecay: null,
    clauses: [{ decays: false, reason: 'nothing decays' }],
  },
} satisfies Record<string, PolicyRow>

export type PolicyName = keyof typeof POLICY_ROWS
