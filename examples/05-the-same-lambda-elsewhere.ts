/**
 * "λ = 0.1" is a different decay in every framework: what LLaMA's would have to be called elsewhere.
 *
 * What one step takes is λ times a factor of the learning rate, and only that factor differs: η_t in PyTorch, η_t/η_max
 * in Composer, 1 in t5x, η_t² for PaLM.
 */
import { convertToAll, warmupCosine } from 'halflife/optim'

// LLaMA 7B: 250,000 steps, 3e-4 with 2,000 steps of warm-up, cosine to a tenth (Touvron et al. 2023, §2.3).
const learningRate = warmupCosine({ peak: 3e-4, warmup: 2000, steps: 250_000, floor: 3e-5 })
console.log('framework          λ           every step?  survives')
for (const { to, conversion } of convertToAll({ weightDecay: 0.1, from: 'pytorch', learningRate, steps: 250_000 })) {
  const { weightDecay, exact, survival } = conversion
  const cells = [
    to.padEnd(17),
    weightDecay === null ? 'none     ' : weightDecay.toExponential(3),
    (weightDecay === null ? '-' : exact ? 'yes' : 'overall').padEnd(10),
    survival.to === null ? '-' : `${(100 * survival.to).toFixed(2)} %`,
  ]
  console.log(cells.join('   '))
}
