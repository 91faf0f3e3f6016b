/**
 * How fast is a training step of nanoGPT's CPU command (4 layers, 128 wide, 65 characters, B 12, T 64), against PyTorch on
 * the same cores in the same minutes?
 *
 *     npm run bench -- [--config nanogpt-cpu|six-layers|gpt2-124m|gpt2-124m-256] [--rounds 5] [--steps 30] [--python /tmp/torchenv/bin/python] [--compile] [--precision bf16]
 *
 * Every round runs each contender for `steps` steps, one after another; the table gives the median step of all rounds and
 * the quartiles. With --precision bf16 there is a contender of both sides in each precision, where the processor has bf16. (PyTorch reports five numbers a round: least, quartiles and most, which stand for its steps). Without Python the PyTorch rows are left out, and it says so.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { availableParallelism } from 'node:os'
import { createBackend, precisions, withPrecision } from '../src/engine/index.ts'
import type { Backend, BackendOptions, Precision } from '../src/engine/index.ts'
import { findModel, type ModelConfig } from '../src/models/index.ts'
import { adamw, decideAll, findPolicy } from '../src/optim/index.ts'
import { fillNormal, hashName } from '../src/random/index.ts'
import { traceTrain } from '../src/train/step.ts'

interface Workload extends ModelConfig {
  readonly batch: number
}

const workloads: Record<string, Workload> = {
  'nanogpt-cpu': {
    layers: 4,
    heads: 4,
    width: 128,
    context: 64,
    vocab: 65,
    bias: false,
    dropout: 0,
    stochasticDepth: 0,
    batch: 12,
  },
  'six-layers': {
    layers: 6,
    heads: 6,
    width: 384,
    context: 256,
    vocab: 65,
    bias: false,
    dropout: 0,
    stochasticDepth: 0,
    batch: 16,
  },
  'gpt2-124m': {
    layers: 12,
    heads: 12,
    width: 768,
    context: 64,
    vocab: 50257,
    bias: true,
    dropout: 0,
    stochasticDepth: 0,
    batch: 4,
  },
  'gpt2-124m-256': {
    layers: 12,
    heads: 12,
    width: 768,
    context: 256,
    vocab: 50257,
    bias: true,
    dropout: 0,
    stochasticDepth: 0,
    batch: 4,
  },
}

/** Runs some steps and returns their times in milliseconds. */
interface Contender {
  readonly name: string
  run(steps: number): number[]
  dispose(): void
}

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: 'nanogpt-cpu' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '30' },
    threads: { type: 'string', default: String(availableParallelism()) },
    python: { type: 'string', default: '/tmp/torchenv/bin/python' },
    compile: { type: 'boolean', default: false },
    precision: { type: 'string', default: 'fp32' },
  },
})
const workload = workloads[values.config]
if (!workload) throw new Error(`unknown --config ${values.config}; known are ${Object.keys(workloads).join(', ')}`)
const threads = Number(values.threads)
const steps = Number(values.steps)

function halflife(name: string, options: BackendOptions, precision: Precision = 'fp32'): Contender {
  const backend = createBackend(options)
  const { run, flops } = prepare(backend, workload!, precision)
  console.log(`${name}: ${backend.description}, ${(flops / 1e9).toFixed(3)} Gflop per step`)
  for (let k = 0; k < 5; k++) run()
  return {
    name,
    run: (count) => Array.from({ length: count }, () => timed(run)),
    dispose: () => backend.dispose(),
  }
}

function prepare(
  backend: Backend,
  { batch, ...config }: Workload,
  precision: Precision,
): { run: () => void; flops: number } {
  const model = findModel('gpt2')
  const parameters = model.declareParameters(config)
  const decisions = decideAll(findPolicy('nanogpt'), parameters)
  const decays = parameters.filter(({ name }) => decisions.get(name)!.multiplier > 0)
  const rest = parameters.filter(({ name }) => decisions.get(name)!.multiplier === 0)
  const optimizer = adamw(
    [
      { params: decays, weightDecay: 0.1 },
      { params: rest, weightDecay: 0 },
    ],
    { learningRate: 1e-3, betas: [0.9, 0.99] },
  )
  const graph = traceTrain({
    model,
    config,
    parameters,
    optimizer,
    batchSize: batch,
    sequenceLength: config.context,
    accumulation: 1,
    clip: 1,
  })
  const executable = backend.compile(withPrecision(graph, precision))
  for (const { name, shape } of parameters) {
    const weights = backend.buffer(name, 'f32', shape) as Float32Array
    fillNormal(weights, 0, 0.02, 1, 0, hashName(name))
  }
  const shape = [batch, config.context]
  const ids = backend.buffer('train/ids', 'i32', shape)
  const targets = backend.buffer('train/targets', 'i32', shape)
  let step = 0
  const run = (): void => {
    step++
    for (let k = 0; k < ids.length; k++) {
      ids[k] = (k * 31 + step * 17) % config.vocab
      targets[k] = (ids[k]! * 5 + 1) % config.vocab
    }
    for (const [name, value] of Object.entries(optimizer.scalars(step)))
      backend.buffer(`train/${name}`, 'f32', [])[0] = value
    executable.run()
  }
  return { run, flops: executable.report.flops }
}

function timed(run: () => void): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

function pytorch(compile: boolean, precision: Precision = 'fp32'): Contender {
  const { layers, heads, width, context, vocab, bias, batch } = workload!
  const flags = { layers, heads, width, context, batch, vocab, threads }
  const args = [
    'bench/pytorch/nanogpt.py',
    ...Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]),
  ]
  if (bias) args.push('--bias')
  if (compile) args.push('--compile')
  if (precision === 'bf16') args.push('--dtype', 'bfloat16')
  return {
    name: `PyTorch ${compile ? 'compiled' : 'eager'}${precision === 'bf16' ? ', bf16' : ''}`,
    run: (count) => {
      const { stdout, stderr, status } = spawnSync(values.python, [...args, '--steps', String(count)], {
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`PyTorch failed: ${stderr.slice(-2000)}`)
      return (JSON.parse(stdout.trim().split('\n').at(-1)!) as { quartilesMs: number[] }).quartilesMs
    },
    dispose: () => {},
  }
}

function hasBf16(): boolean {
  const backend = createBackend({ backend: 'native' })
  if (backend.withoutBf16 !== undefined) console.log(`bf16 is left out: ${backend.withoutBf16}`)
  backend.dispose()
  return backend.withoutBf16 === undefined
}

function hasTorch(): boolean {
  return spawnSync(values.python, ['-c', 'import torch']).status === 0
}

const contenders: Contender[] = [
  halflife('native', { backend: 'native', threads }),
  halflife('native, one thread', { backend: 'native', threads: 1 }),
  halflife('native, AVX2', { backend: 'native', threads, disable: ['avx512'] }),
  ...(values.config === 'nanogpt-cpu' ? [halflife('wasm', { backend: 'wasm', threads })] : []),
]
const inBf16 = values.precision === 'bf16' && hasBf16()
if (inBf16) contenders.push(halflife('native, bf16', { backend: 'native', threads }, 'bf16'))
if (hasTorch()) {
  for (const precision of inBf16 ? precisions : (['fp32'] as const)) {
    contenders.push(pytorch(false, precision), ...(values.compile ? [pytorch(true, precision)] : []))
  }
}
if (!hasTorch()) console.log(`${values.python} has no torch: PyTorch is left out (--python names another)`)

const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
for (let round = 0; round < Number(values.rounds); round++) {
  for (const contender of contenders) times.get(contender.name)!.push(...contender.run(steps))
}
const tokens = workload.batch * workload.context
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
console.log(`\n${'contender'.padEnd(20)} median ms  (quartiles)         tokens/s`)
for (const [name, unsorted] of times) {
  const sorted = unsorted.toSorted((a, b) => a - b)
  const median = quantile(sorted, 0.5)
  const spread = `(${quantile(sorted, 0.25).toFixed(1)} – ${quantile(sorted, 0.75).toFixed(1)})`
  console.log(
    `${name.padEnd(20)} ${median.toFixed(2).padStart(9)}  ${spread.padEnd(18)} ${((tokens / median) * 1000).toFixed(0).padStart(9)}`,
  )
}
for (const contender of contenders) contender.dispose()
process.exit(0)
