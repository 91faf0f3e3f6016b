/** The machine's fp32 peak, as a loop of nothing but multiply-adds on values in registers reaches it. */
import { KernelBuilder } from '../src/engine/kernel/builder.ts'
import { createNativeMachine } from '../src/engine/runtime/native/machine.ts'

export interface Peak {
  /** The best of a few bursts of some milliseconds on all threads, in floating-point operations per second. */
  measure(): number
  dispose(): void
}

/** Independent sums: enough to hide the latency of two multiply-adds at a time, few enough for 16 registers. */
const SUMS = 12
const ROUNDS = 2_000_000
const BURSTS = 5

/** Throws where native code cannot run. */
export function peakOf(threads: number): Peak {
  const machine = createNativeMachine({ threads })
  const { lanes } = machine.target
  const b = new KernelBuilder('peak', machine.target)
  const out = b.pointer()
  const [almost, little] = [b.constant(0.999), b.constant(1e-3)]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const sums = Array.from({ length: SUMS }, (_, k) => b.variable(b.constant(1 + k)))
    b.for(0, ROUNDS, 1, () => {
      for (const sum of sums) b.assign(sum, b.multiplyAdd(sum, almost, little))
    })
    const total = sums.slice(1).reduce((left, right) => b.add(left, right), sums[0]!)
    b.store(total, b.at(b.intAdd(out, b.intMul(unit, 4 * lanes))))
  })
  const program = machine.load({
    name: 'peak',
    kernels: [b.finish()],
    launches: [
      {
        kernel: 0,
        label: 'multiply-adds',
        buffers: [{ space: 'persistent', name: 'peak', offset: 0 }],
        units: threads,
        barrier: false,
        flops: 0,
        bytes: 0,
      },
    ],
    persistent: [{ name: 'peak', dtype: 'f32', shape: [threads * lanes] }],
    arenaBytes: 0,
    scratchBytes: 0,
    flops: 0,
  })
  const flops = 2 * threads * lanes * SUMS * ROUNDS
  return {
    measure: () => {
      const times = Array.from({ length: BURSTS }, () => {
        const begin = performance.now()
        program.run()
        return performance.now() - begin
      })
      return flops / (Math.min(...times) / 1000)
    },
    dispose: () => machine.dispose(),
  }
}
