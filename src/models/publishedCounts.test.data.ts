/** Parameter counts of the published sizes, to the digit, for tests of models and recipes. */
import type { ArchitectureName, ModelConfig } from './index.ts'

export interface Size {
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly kvHeads?: number
  readonly feedForward?: number
  readonly vocab?: number
  readonly tied?: boolean
}

/** Sizes and what they share; counts as the papers' checkpoints and Hugging Face's have them. */
export const published: Readonly<
  Partial<Record<ArchitectureName, [Partial<ModelConfig>, ...[string, Size, number][]]>>
> = {
  gpt2: [
    { context: 1024, vocab: 50_257, bias: true },
    ['124M', { layers: 12, width: 768, heads: 12 }, 124_439_808],
    ['355M', { layers: 24, width: 1024, heads: 16 }, 354_823_168],
    ['774M', { layers: 36, width: 1280, heads: 20 }, 774_030_080],
    ['1558M', { layers: 48, width: 1600, heads: 25 }, 1_557_611_200],
  ],
  gpt3: [
    { context: 2048, vocab: 50_257, bias: true, window: 256 },
    ['125M', { layers: 12, width: 768, heads: 12 }, 125_226_240],
    ['350M', { layers: 24, width: 1024, heads: 16 }, 355_871_744],
    ['760M', { layers: 24, width: 1536, heads: 16 }, 760_300_032],
    ['1.3B', { layers: 24, width: 2048, heads: 16 }, 1_315_723_264],
    ['2.7B', { layers: 32, width: 2560, heads: 32 }, 2_651_553_280],
    ['6.7B', { layers: 32, width: 4096, heads: 32 }, 6_658_404_352],
    ['13B', { layers: 40, width: 5120, heads: 40 }, 12_853_386_240],
    ['175B', { layers: 96, width: 12_288, heads: 96 }, 174_604_259_328],
  ],
  llama: [
    { context: 4096, vocab: 32_000, normEps: 1e-5, ropeTheta: 1e4, tied: false },
    ['7B', { layers: 32, width: 4096, heads: 32, feedForward: 11_008 }, 6_738_415_616],
    ['13B', { layers: 40, width: 5120, heads: 40, feedForward: 13_824 }, 13_015_864_320],
    ['33B', { layers: 60, width: 6656, heads: 52, feedForward: 17_920 }, 32_528_943_616],
    ['65B', { layers: 80, width: 8192, heads: 64, feedForward: 22_016 }, 65_285_660_672],
    ['LLaMA-2 70B', { layers: 80, width: 8192, heads: 64, kvHeads: 8, feedForward: 28_672 }, 68_976_648_192],
    [
      'LLaMA-3 8B',
      { layers: 32, width: 4096, heads: 32, kvHeads: 8, feedForward: 14_336, vocab: 128_256 },
      8_030_261_248,
    ],
    [
      'LLaMA-3 70B',
      { layers: 80, width: 8192, heads: 64, kvHeads: 8, feedForward: 28_672, vocab: 128_256 },
      70_553_706_496,
    ],
    [
      'LLaMA-3 405B',
      { layers: 126, width: 16_384, heads: 128, kvHeads: 8, feedForward: 53_248, vocab: 128_256 },
      405_853_388_800,
    ],
  ],
  palm: [
    { context: 2048, vocab: 256_000, headDim: 256, normEps: 1e-6, ropeTheta: 1e4, zLoss: 1e-4 },
    ['8B', { layers: 32, width: 4096, heads: 16, kvHeads: 1, feedForward: 16_384 }, 8_632_012_800],
    ['62B', { layers: 64, width: 8192, heads: 32, kvHeads: 1, feedForward: 32_768 }, 62_495_662_080],
    ['540B', { layers: 118, width: 18_432, heads: 48, kvHeads: 1, feedForward: 73_728 }, 540_356_474_880],
  ],
  mistral: [
    { context: 32_768, vocab: 32_000, normEps: 1e-5, ropeTheta: 1e4, window: 4096, tied: false },
    ['7B', { layers: 32, width: 4096, heads: 32, kvHeads: 8, feedForward: 14_336 }, 7_241_732_096],
  ],
  'gpt-neox': [
    { context: 2048, vocab: 50_304, normEps: 1e-5, ropeTheta: 1e4, rotaryShare: 0.25, tied: false },
    ['Pythia 14M', { layers: 6, width: 128, heads: 4 }, 14_067_712],
    ['Pythia 31M', { layers: 6, width: 256, heads: 8 }, 30_494_720],
    ['Pythia 70M', { layers: 6, width: 512, heads: 8 }, 70_426_624],
    ['Pythia 160M', { layers: 12, width: 768, heads: 12 }, 162_322_944],
    ['Pythia 410M', { layers: 24, width: 1024, heads: 16 }, 405_334_016],
    ['Pythia 1B', { layers: 16, width: 2048, heads: 8 }, 1_011_781_632],
    ['Pythia 1.4B', { layers: 24, width: 2048, heads: 16 }, 1_414_647_808],
    ['Pythia 2.8B', { layers: 32, width: 2560, heads: 32 }, 2_775_208_960],
    ['Pythia 6.9B', { layers: 32, width: 4096, heads: 32, vocab: 50_432 }, 6_857_302_016],
    ['Pythia 12B', { layers: 36, width: 5120, heads: 40, vocab: 50_688 }, 11_846_072_320],
  ],
  olmo2: [
    { context: 4096, vocab: 100_352, normEps: 1e-6, ropeTheta: 5e5, tied: false, zLoss: 1e-5 },
    ['1B', { layers: 16, width: 2048, heads: 16, feedForward: 8192 }, 1_484_916_736],
    ['7B', { layers: 32, width: 4096, heads: 32, feedForward: 11_008 }, 7_298_617_344],
    ['13B', { layers: 40, width: 5120, heads: 40, feedForward: 13_824 }, 13_716_198_400],
    ['32B', { layers: 64, width: 5120, heads: 40, kvHeads: 8, feedForward: 27_648 }, 32_234_279_936],
  ],
  qwen3: [
    { context: 40_960, vocab: 151_936, headDim: 128, normEps: 1e-6, ropeTheta: 1e6, tied: true },
    ['0.6B', { layers: 28, width: 1024, heads: 16, kvHeads: 8, feedForward: 3072 }, 596_049_920],
    ['1.7B', { layers: 28, width: 2048, heads: 16, kvHeads: 8, feedForward: 6144 }, 1_720_574_976],
    ['4B', { layers: 36, width: 2560, heads: 32, kvHeads: 8, feedForward: 9728 }, 4_022_468_096],
    ['8B', { layers: 36, width: 4096, heads: 32, kvHeads: 8, feedForward: 12_288, tied: false }, 8_190_735_360],
  ],
}

/** Of models with experts: all parameters, and those that compute one token. */
export const routed: Readonly<
  Partial<Record<ArchitectureName, [Partial<ModelConfig>, ...[string, Size, number, number][]]>>
> = {
  'grok-1': [
    { context: 8192, vocab: 131_072, headDim: 128, softCap: 30 },
    [
      '314B, as advertised without its token table of 805,306,368',
      { layers: 64, width: 6144, heads: 48, kvHeads: 8, feedForward: 32_768 },
      314_879_514_624 + 805_306_368,
      83_756_587_008,
    ],
  ],
  mixtral: [
    { context: 32_768, vocab: 32_000, window: 0, tied: false },
    ['8x7B', { layers: 32, width: 4096, heads: 32, kvHeads: 8, feedForward: 14_336 }, 46_702_792_704, 12_879_925_248],
    ['8x22B', { layers: 56, width: 6144, heads: 48, kvHeads: 8, feedForward: 16_384 }, 140_620_634_112, 39_152_031_744],
    [
      '8x22B v0.3',
      { layers: 56, width: 6144, heads: 48, kvHeads: 8, feedForward: 16_384, vocab: 32_768 },
      140_630_071_296,
      39_152_031_744 + 2 * 768 * 6144,
    ],
  ],
}
