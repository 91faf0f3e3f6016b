/** First values of a model's parameters: a function of the seed and each parameter's name, the same on every backend. */
import type { Backend } from '../engine/index.ts'
import type { Init, ParameterSpec } from '../nn/parameter.ts'
import { parameterCount } from '../nn/parameter.ts'
import { fillNormal, hashName, keyFor } from '../random/index.ts'

/** Writes the initial values of all parameters to the backend's buffers. */
export function initialiseParameters(backend: Backend, parameters: readonly ParameterSpec[], seed: number): void {
  for (const { name, shape, init } of parameters) {
    const live = backend.buffer(name, 'f32', shape)
    const values = live instanceof Float32Array ? live : new Float32Array(parameterCount(shape))
    fillInitial(values, init, seed, hashName(name))
    if (values !== live) live.set(values)
  }
}

function fillInitial(values: Float32Array, init: Init, seed: number, stream: number): void {
  switch (init.kind) {
    case 'zeros':
      values.fill(0)
      return
    case 'ones':
      values.fill(1)
      return
    case 'constant':
      values.fill(init.value)
      return
    case 'normal':
      fillNormal(values, 0, init.std, ...keyFor(seed, 'initialisation'), stream)
      return
    case 'truncated-normal':
      fillTruncated(values, init.std, init.bound, seed, stream)
  }
}

/** Draws again, from a key of its own per round, what lies further out than `bound` standard deviations. */
function fillTruncated(values: Float32Array, std: number, bound: number, seed: number, stream: number): void {
  fillNormal(values, 0, std, ...keyFor(seed, 'initialisation'), stream)
  const drawn = new Float32Array(values.length)
  const isOutside = (value: number): boolean => Math.abs(value) > bound * std
  for (let round = 1; values.some(isOutside); round++) {
    fillNormal(drawn, 0, std, ...keyFor(seed, `initialisation, round ${round}`), stream)
    values.forEach((value, i) => {
      if (isOutside(value)) values[i] = drawn[i]!
    })
  }
}
