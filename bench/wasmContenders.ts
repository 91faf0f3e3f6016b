/**
 * How fast are matrix products of GPT-2 124M's shapes in WebAssembly, beside TensorFlow.js and jax-js?
 *
 *     npm install --ignore-scripts --prefix DIR @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @jax-js/jax
 *     npm run bench:wasm -- --contenders DIR [--shapes up,down,qkv,padded,head] [--rounds 5] [--steps 2] [--json]
 *
 * Each contender is a process of its own; in each round each has its turn of some steps while the others sleep. All compute
 * in fp32 with SIMD and get the same numbers; 500 elements of each result are compared with float64 before timing. halflife
 * runs on one thread and on two; TensorFlow.js turns its own threads off in Node, so it has one; jax-js has as many as the
 * browser has cores, by Web Workers, which Node lacks: given a stand-in for them it runs on two, without one on one.
 * A step of halflife includes what it does with B before: it packs B each time. Weights that stay the same may have been packed
 * by TensorFlow.js in the first step, which is not timed.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { spreadOf, type Spread } from '../src/lab/bench/statistics.ts'
import type { Answer, Request, Shape } from './wasmContender.ts'

const PACKAGES = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', '@jax-js/jax']
const CONTENDER = fileURLToPath(new URL('wasmContender.js', import.meta.url))
/** Largest share of Σ |a| |b| that a result in fp32 may be off by: some 170 units in the last place. */
const TOLERANCE = 1e-5

/**
 * B 4, T 256 of GPT-2 124M. `padded` is the output layer with its 50,257 columns made a multiple of 64, as nanoGPT has them:
 * what jax-js tiles must divide the columns, and a step of `head` takes it minutes.
 */
const SHAPES: Readonly<Record<string, Shape>> = {
  up: { m: 1024, k: 768, n: 3072 },
  down: { m: 1024, k: 3072, n: 768 },
  qkv: { m: 1024, k: 768, n: 2304 },
  padded: { m: 1024, k: 768, n: 50304 },
  head: { m: 1024, k: 768, n: 50257 },
}

class Contender {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #threads: number

  constructor(name: string, threads: number, folder: string) {
    this.#name = name
    this.#threads = threads
    this.#process = fork(CONTENDER, [name, String(threads), folder])
  }

  /** Throws where the contender fails or ends. */
  async ask<A extends Answer>(request: Request): Promise<A> {
    const done = new AbortController()
    const { signal } = done
    this.#process.send(request)
    const ended = once(this.#process, 'exit', { signal }).then(([code]) => ({ failure: `it ended with ${code}` }))
    const answered = once(this.#process, 'message', { signal }).then(([message]) => message as Answer)
    const answer = await Promise.race([answered, ended])
    void Promise.allSettled([answered, ended]) // the other one fails when it is called off
    done.abort()
    if ('failure' in answer) throw new Error(`${this.#name} on ${this.#threads} threads: ${answer.failure}`)
    return answer as A
  }

  close(): void {
    this.#process.kill()
  }
}

interface Result {
  readonly shape: string
  readonly contender: string
  readonly threads: number
  readonly spread: Spread
  readonly flopsPerSecond: number
  readonly error: number
}

async function measure(
  name: string,
  contenders: readonly Contender[],
  rounds: number,
  steps: number,
): Promise<Result[]> {
  const shape = SHAPES[name]!
  const ready: Extract<Answer, { error: number }>[] = []
  for (const contender of contenders) ready.push(await contender.ask({ prepare: shape }))
  for (const { description, error } of ready) {
    if (!(error < TOLERANCE)) throw new Error(`${description} computed ${name} wrong: off by ${error} of Σ |a| |b|`)
  }
  const times: number[][] = contenders.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [k, contender] of contenders.entries()) {
      times[k]!.push(...(await contender.ask<Extract<Answer, { times: unknown }>>({ steps })).times)
    }
    process.stderr.write(`${name}: round ${round + 1} of ${rounds}\n`)
  }
  return ready.map(({ description, threads, error }, k) => {
    const spread = spreadOf(times[k]!)
    const flopsPerSecond = (2e3 * shape.m * shape.k * shape.n) / spread.median
    return { shape: name, contender: description, threads, spread, flopsPerSecond, error }
  })
}

/** How many times longer than halflife on so many threads; undefined where it has not run so. */
function ratio(result: Result, results: readonly Result[], threads: number): number | undefined {
  const ours = results.find(
    (other) => other.shape === result.shape && other.contender === 'halflife' && other.threads === threads,
  )
  return ours && result.spread.median / ours.spread.median
}

function table(results: readonly Result[], counts: readonly number[]): string {
  const head = ['product', 'contender', 'threads', 'step, ms', '(quartiles)', 'Gflop/s', 'largest error']
  const over = counts.map((threads) => `over halflife's, ${threads} thread${threads === 1 ? '' : 's'}`)
  const rows = results.map((result) => {
    const { m, k, n } = SHAPES[result.shape]!
    const { median, lowerQuartile, upperQuartile } = result.spread
    return [
      `${result.shape} [${m}, ${k}] x [${k}, ${n}]`,
      result.contender,
      String(result.threads),
      median.toFixed(0),
      `(${lowerQuartile.toFixed(0)} – ${upperQuartile.toFixed(0)})`,
      (result.flopsPerSecond / 1e9).toFixed(1),
      result.error.toExponential(0),
      ...counts.map((threads) => ratio(result, results, threads)?.toFixed(2) ?? '–'),
    ]
  })
  const all = [[...head, ...over], ...rows]
  const widths = all[0]!.map((_, c) => Math.max(...all.map((row) => row[c]!.length)))
  return all
    .map((row) => row.map((cell, c) => (c < 2 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  '))
    .join('\n')
}

function isComplete(folder: string): boolean {
  const require = createRequire(join(folder, 'package.json'))
  return PACKAGES.every((name) => {
    try {
      return require.resolve(name) !== ''
    } catch {
      return false
    }
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      contenders: { type: 'string' },
      shapes: { type: 'string', default: 'up,down,qkv,padded' },
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
    },
  })
  const folder = resolve(values.contenders ?? '.')
  const names = values.shapes.split(',')
  const unknown = names.find((name) => SHAPES[name] === undefined)
  if (unknown !== undefined) return fail(`Unknown shape "${unknown}"; known are ${Object.keys(SHAPES).join(', ')}.`)
  if (values.contenders === undefined || !isComplete(folder)) {
    const lacking = values.contenders === undefined ? 'Say with --contenders where they are' : `${folder} lacks some`
    return fail(
      `${lacking}: TensorFlow.js and jax-js are no part of halflife. Install them into a folder of their own:\n` +
        `  npm install --ignore-scripts --prefix ${values.contenders ?? 'DIR'} ${PACKAGES.join(' ')}`,
    )
  }
  const counts = [...new Set([1, Math.min(2, availableParallelism())])]
  const contenders = [
    ...counts.map((threads) => new Contender('halflife', threads, folder)),
    new Contender('tfjs', counts.at(-1)!, folder),
    ...counts.map((threads) => new Contender('jax', threads, folder)),
  ]
  try {
    const results: Result[] = []
    for (const name of names) {
      results.push(...(await measure(name, contenders, Number(values.rounds), Number(values.steps))))
    }
    const machine = { cpu: cpus()[0]?.model.trim() ?? 'unknown', node: process.version }
    const rows = results.map((result) => {
      const ratios = Object.fromEntries(counts.map((threads) => [threads, ratio(result, results, threads) ?? null]))
      return { ...result, ...SHAPES[result.shape]!, overHalflife: ratios }
    })
    const text = `${machine.cpu}, Node ${machine.node}, WebAssembly, fp32; medians with quartiles\n\n${table(results, counts)}`
    console.log(values.json ? JSON.stringify({ machine, results: rows }, null, 2) : text)
  } finally {
    for (const contender of contenders) contender.close()
  }
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 2
}

await main()
