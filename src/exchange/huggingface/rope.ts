/** Rotary positions in config.json: `rope_parameters` since transformers 5, `rope_theta` and `rope_scaling` before. */
import { z } from 'zod'
import type { RopeScaling } from '../../nn/rotary.ts'
import { positive, wholeNumber, type ConfigReader } from './configReader.ts'

export interface Rope {
  readonly ropeTheta: number
  /** Absent where wavelengths are not stretched. */
  readonly ropeScaling?: RopeScaling
}

/** θ of rotary embeddings that are not stretched. Throws ExchangeError where they are. */
export function readRopeTheta(config: ConfigReader, fallback = 10_000): number {
  const { section, key } = scalingOf(config)
  section.expect(key, 'default', 'default')
  return thetaOf(config, fallback)
}

/** θ, and how wavelengths are stretched. Throws ExchangeError for a way that the models here do not have. */
export function readRope(config: ConfigReader, fallback = 10_000): Rope {
  const { section, key } = scalingOf(config)
  section.expect(key, 'default', 'default', 'linear', 'llama3')
  const ropeTheta = thetaOf(config, fallback)
  const kind = section.has(key) ? section.read(key, z.string()) : 'default'
  if (kind === 'default') return { ropeTheta }
  const factor = section.read('factor', positive)
  if (kind === 'linear') return { ropeTheta, ropeScaling: { kind, factor } }
  const context = config.read('max_position_embeddings', wholeNumber)
  return {
    ropeTheta,
    ropeScaling: {
      kind: 'llama3',
      factor,
      lowFactor: section.read('low_freq_factor', positive),
      highFactor: section.read('high_freq_factor', positive),
      originalContext: section.read('original_max_position_embeddings', wholeNumber, context),
    },
  }
}

/** Where a configuration says how wavelengths are stretched, and under which key. */
function scalingOf(config: ConfigReader): { readonly section: ConfigReader; readonly key: string } {
  const parameters = config.section('rope_parameters')
  if (parameters.has('rope_type')) return { section: parameters, key: 'rope_type' }
  const scaling = config.section('rope_scaling')
  return { section: scaling, key: scaling.has('rope_type') ? 'rope_type' : 'type' }
}

function thetaOf(config: ConfigReader, fallback: number): number {
  return config.section('rope_parameters').read('rope_theta', positive, config.read('rope_theta', positive, fallback))
}

/** Both forms, so that every version of transformers reads them; `more` goes beside θ, as a partial rotation does. */
export function writeRope({ ropeTheta, ropeScaling }: Rope, more: Readonly<Record<string, unknown>> = {}) {
  const scaling = ropeScaling === undefined ? { rope_type: 'default' } : writeScaling(ropeScaling)
  return {
    rope_parameters: { ...more, rope_theta: ropeTheta, ...scaling },
    rope_theta: ropeTheta,
    rope_scaling: ropeScaling === undefined ? null : scaling,
    ...more,
  }
}

function writeScaling(scaling: RopeScaling): Readonly<Record<string, unknown>> {
  const { kind, factor } = scaling
  if (kind === 'linear') return { rope_type: kind, factor }
  return {
    rope_type: kind,
    factor,
    low_freq_factor: scaling.lowFactor,
    high_freq_factor: scaling.highFactor,
    original_max_position_embeddings: scaling.originalContext,
  }
}
