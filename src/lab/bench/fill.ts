/** Inputs of a program, filled with numbers that neither overflow nor are denormal. */
import { graphBuffers, type Backend, type Graph } from '../../engine/index.ts'
import { fillNormal, hashName } from '../../random/index.ts'

/** Standard deviation of the numbers: that of GPT-2's initial weights. */
const DEVIATION = 0.02
/** So many numbers are drawn; longer arrays repeat them. */
const DRAWN = 2 ** 18

/** Fills a graph's inputs: f32 with normal numbers, the same for the same name, i32 with ids below `vocab`. */
export function fillInputs(backend: Backend, graph: Graph, vocab = 1): void {
  for (const { buffer, dtype, shape, kind } of graphBuffers(graph)) {
    if (kind !== 'input') continue
    const values = backend.buffer(buffer, dtype, shape)
    if (values instanceof Float32Array) fillFloats(values, buffer)
    else values.forEach((_, i) => (values[i] = (i * 31 + 17) % vocab))
  }
}

function fillFloats(values: Float32Array, name: string): void {
  const drawn = values.subarray(0, Math.min(DRAWN, values.length))
  fillNormal(drawn, 0, DEVIATION, 1, 0, hashName(name))
  for (let at = drawn.length; at < values.length; at += drawn.length) {
    values.set(drawn.subarray(0, Math.min(drawn.length, values.length - at)), at)
  }
}
