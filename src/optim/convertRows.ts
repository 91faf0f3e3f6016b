/**
 * What "weight decay" means in each framework, as data: the share of a weight that one step takes is λ times a factor
 * of the learning rate, and only that factor differs. Defaults and equations as read in each project's code in 2026.
 */

/** η_t and the peak of the same schedule. */
export interface RatePoint {
  readonly learningRate: number
  readonly peak: number
}

export interface DecayConvention {
  /** How it is asked for. */
  readonly call: string
  readonly equation: string
  /** What one step takes, over λ. null where no factor exists: the decay passes through the moments. */
  readonly factor: ((point: RatePoint) => number) | null
  /** λ when nothing is said. */
  readonly usual: number | null
  /** What to know before using the number; empty where there is nothing. */
  readonly caveat: string
  readonly source: string
}

const timesRate = ({ learningRate }: RatePoint): number => learningRate
const relative = ({ learningRate, peak }: RatePoint): number => learningRate / peak
const constant = (): number => 1

export const DECAY_CONVENTIONS = {
  pytorch: {
    call: 'torch.optim.AdamW(lr=η, weight_decay=λ)',
    equation: 'w ← w·(1 − η_t·λ) − η_t·u',
    factor: timesRate,
    usual: 0.01,
    caveat: '',
    source: 'torch/optim/adamw.py',
  },
  composer: {
    call: 'composer.optim.DecoupledAdamW(lr=η, weight_decay=λ)',
    equation: 'w ← w·(1 − (η_t/η_initial)·λ) − η_t·u',
    factor: relative,
    usual: 1e-5,
    caveat: 'η_initial is the lr given to the constructor, which must be the peak; Composer warns from λ = 1e-3 on.',
    source: 'mosaicml/composer optim/decoupled_weight_decay.py',
  },
  'optax-adamw': {
    call: 'optax.adamw(η, weight_decay=λ)',
    equation: 'w ← w − η_t·(u + λ·w)',
    factor: timesRate,
    usual: 1e-4,
    caveat: 'decays everything, gains and biases too, unless a mask is given.',
    source: 'google-deepmind/optax _src/alias.py',
  },
  keras: {
    call: 'keras.optimizers.AdamW(learning_rate=η, weight_decay=λ)',
    equation: 'w ← w − η_t·λ·w, then w ← w − η_t·u',
    factor: timesRate,
    usual: 4e-3,
    caveat: 'decays everything unless exclude_from_weight_decay is called; its default ε is 1e-7.',
    source: 'keras/src/optimizers/base_optimizer.py',
  },
  megatron: {
    call: 'Megatron-LM --weight-decay λ (Apex FusedAdam, adam_w_mode)',
    equation: 'w ← w·(1 − η_t·λ_t·wd_mult) − η_t·u',
    factor: timesRate,
    usual: 0.01,
    caveat: '--start-weight-decay and --end-weight-decay may only rise; its default β2 is 0.999.',
    source: 'NVIDIA/Megatron-LM megatron/core/optimizer_param_scheduler.py',
  },
  't5x-adafactor': {
    call: 't5x.adafactor.Adafactor(η, weight_decay_rate=λ)',
    equation: 'w ← (1 − λ)·w − Δ_t',
    factor: constant,
    usual: null,
    caveat: 'does not follow the schedule: too weak while the rate is high, too strong once it has fallen. No mask.',
    source: 'google-research/t5x t5x/adafactor.py',
  },
  palm: {
    call: 't5x.adafactor.Adafactor(η, weight_decay_rate=λ, weight_decay_rate_lr_exponent=2)',
    equation: 'w ← (1 − λ·η_t²)·w − Δ_t',
    factor: ({ learningRate }) => learningRate ** 2,
    usual: 1,
    caveat: 'PaLM sets no rate, which counts as λ = 1; falls twice as fast as the schedule.',
    source: 'google-research/t5x t5x/adafactor.py; arXiv 2204.02311 §5',
  },
  'optax-adafactor': {
    call: 'optax.adafactor(η, weight_decay_rate=λ)',
    equation: 'w ← w − λ·w − Δ_t',
    factor: constant,
    usual: null,
    caveat: 'added after the learning rate: does not follow the schedule.',
    source: 'google-deepmind/optax _src/alias.py',
  },
  'tensorflow-addons': {
    call: 'tfa.optimizers.AdamW(weight_decay=λ, learning_rate=η)',
    equation: 'w ← w − λ·w, then w ← w − η_t·u',
    factor: constant,
    usual: null,
    caveat: 'follows no schedule unless weight_decay is a callable that does, and the argument comes first.',
    source: 'tensorflow/addons optimizers/weight_decay_optimizers.py',
  },
  lion: {
    call: 'lion_pytorch.Lion(lr=η, weight_decay=λ), optax.lion',
    equation: 'w ← w·(1 − η_t·λ) − η_t·sign(…)',
    factor: timesRate,
    usual: 0,
    caveat: 'its η is 3 to 10 times smaller than AdamW’s: give that as the target’s peak, and λ grows by as much.',
    source: 'lucidrains/lion-pytorch; arXiv 2302.06675 §5',
  },
  'lion-decoupled': {
    call: 'lion_pytorch.Lion(lr=η, weight_decay=λ, decoupled_weight_decay=True)',
    equation: 'w ← w·(1 − (η_t/η_initial)·λ) − η_t·sign(…)',
    factor: relative,
    usual: 0,
    caveat: '',
    source: 'lucidrains/lion-pytorch',
  },
  nanodo: {
    call: 'nanodo independent_weight_decay=True, weight_decay=λ',
    equation: 'w ← w − η_t·(u + (λ/η_peak)·w)',
    factor: relative,
    usual: null,
    caveat: 'excludes nothing by default.',
    source: 'google-deepmind/nanodo optimizer.py',
  },
  adamc: {
    call: 'timm corrected_weight_decay=True, Levanter adamc_weight_decay',
    equation: 'w ← w − (η_t²/η_max)·λ·w − η_t·u',
    factor: ({ learningRate, peak }) => learningRate ** 2 / peak,
    usual: null,
    caveat: 'for normalised layers only, the others decay as in PyTorch; timm takes η_max from the constructor.',
    source: 'arXiv 2506.02285; huggingface/pytorch-image-models',
  },
  'modded-nanogpt': {
    call: 'modded-nanogpt NorMuon and Adam, lr=η, wd=λ',
    equation: 'w ← w − η_t·(u + η_t·λ·1[u·w > 0]·w)',
    factor: ({ learningRate }) => learningRate ** 2,
    usual: null,
    caveat: 'cautious: the number is what an element loses when the mask is 1, about half of the time.',
    source: 'KellerJordan/modded-nanogpt train_gpt.py',
  },
  'pytorch-sgd': {
    call: 'torch.optim.SGD(lr=η, weight_decay=λ)',
    equation: 'g ← g + λ·w; w ← w − η_t·g',
    factor: timesRate,
    usual: 0,
    caveat:
      'exact without momentum; with momentum μ and no dampening the step is 1/(1 − μ) times as large, decay included.',
    source: 'torch/optim/sgd.py',
  },
  'pytorch-adam': {
    call: 'torch.optim.Adam(lr=η, weight_decay=λ)',
    equation: 'g ← g + λ·w, through m and v',
    factor: null,
    usual: 0,
    caveat: 'L2, not decay: each weight shrinks by about η_t·λ/√v̂ of its own, so no one λ translates.',
    source: 'torch/optim/adam.py',
  },
} as const satisfies Readonly<Record<string, DecayConvention>>

export type DecayConventionName = keyof typeof DECAY_CONVENTIONS
