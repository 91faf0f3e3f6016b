/** Rotary positions in config.json: `rope_parameters` since transformers 5, `rope_theta` and `rope_scaling` before. */
import { positive, type ConfigReader } from './configReader.ts'

/** θ of unscaled rotary embeddings. Throws ExchangeError where they are scaled. */
export function readRopeTheta(config: ConfigReader, fallback = 10_000): number {
  const parameters = config.section('rope_parameters')
  parameters.expect('rope_type', 'default', 'default')
  const scaling = config.section('rope_scaling')
  scaling.expect(scaling.has('rope_type') ? 'rope_type' : 'type', 'default', 'default')
  return parameters.read('rope_theta', positive, config.read('rope_theta', positive, fallback))
}

/** Both forms, so that every version of transformers reads them; `more` goes beside θ, as a partial rotation does. */
export function writeRopeTheta(ropeTheta: number, more: Readonly<Record<string, unknown>> = {}) {
  return { rope_parameters: { ...more, rope_theta: ropeTheta, rope_type: 'default' }, rope_theta: ropeTheta, ...more }
}
