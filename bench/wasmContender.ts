/**
 * One contender of `wasmContenders.ts`, in a process of its own: multiplies matrices as it is told by messages.
 *
 *     fork(this file, [halflife | tfjs | jax, threads, folder])
 */
import { createRequire } from 'node:module'
import { resolveObjectURL } from 'node:buffer'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { bufferName, createBackend, matmul, trace } from '../src/engine/index.ts'
import { fillNormal, hashName } from '../src/random/index.ts'

/** C [m, n] = A [m, k] B [k, n] */
export interface Shape {
  readonly m: number
  readonly k: number
  readonly n: number
}

export type Request = { readonly prepare: Shape } | { readonly steps: number }

export type Answer =
  /** After two steps; `error` is the largest of the sampled elements', as a share of Σ |a| |b|. */
  | { readonly description: string; readonly threads: number; readonly error: number; readonly warmMs: number }
  /** In milliseconds. */
  | { readonly times: readonly number[] }
  | { readonly failure: string }

/** A product that is ready to run; `result` reads what the last step computed. */
interface Product {
  step(): void | Promise<void>
  result(): Float32Array | Promise<Float32Array>
  dispose(): void
}

interface Contender {
  readonly description: string
  readonly threads: number
  product(shape: Shape, a: Float32Array, b: Float32Array): Product | Promise<Product>
}

/** Numbers that are drawn; longer arrays repeat them. */
const DRAWN = 2 ** 18
/** Elements of C that are computed again in float64. */
const SAMPLES = 500

const [name, threadsText, folder = '.'] = process.argv.slice(2)
const threads = Number(threadsText)

function drawn(length: number, name: string): Float32Array {
  const values = new Float32Array(length)
  fillNormal(values.subarray(0, Math.min(DRAWN, length)), 0, 1, 1, 0, hashName(name))
  for (let at = DRAWN; at < length; at += DRAWN) values.copyWithin(at, 0, Math.min(DRAWN, length - at))
  return values
}

/** The largest error of some elements spread over C. */
function largestError({ m, k, n }: Shape, a: Float32Array, b: Float32Array, c: Float32Array): number {
  if (c.length !== m * n) throw new Error(`the result has ${c.length} elements, not ${m} x ${n}`)
  let largest = 0
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = Math.floor((sample * (m * n - 1)) / (SAMPLES - 1))
    const [row, column] = [Math.floor(at / n), at % n]
    let sum = 0
    let size = 0
    for (let i = 0; i < k; i++) {
      const term = a[row * k + i]! * b[i * n + column]!
      sum += term
      size += Math.abs(term)
    }
    largest = Math.max(largest, Math.abs(c[at]! - sum) / size)
  }
  return largest
}

function halflife(): Contender {
  const backend = createBackend({ backend: 'wasm', threads })
  return {
    description: 'halflife',
    threads: backend.threads,
    product({ m, k, n }, a, b) {
      const graph = trace(`product ${m} ${k} ${n}`, (t) => ({
        outputs: { c: matmul(t.input('a', 'f32', [m, k]), t.input('b', 'f32', [k, n])) },
      }))
      const executable = backend.compile(graph)
      const array = (name: string, shape: readonly number[]): Float32Array =>
        backend.buffer(bufferName(graph.name, name), 'f32', shape) as Float32Array
      array('a', [m, k]).set(a)
      array('b', [k, n]).set(b)
      return {
        step: () => executable.run(),
        result: () => array('c', [m, n]),
        dispose: () => {},
      }
    },
  }
}

/** What we use of TensorFlow.js. */
interface TensorFlow {
  readonly version: { readonly 'tfjs-core': string }
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  env(): { getAsync(flag: string): Promise<unknown> }
  tensor2d(values: Float32Array, shape: readonly number[]): TfTensor
  matMul(a: TfTensor, b: TfTensor): TfTensor
}
interface TfTensor {
  dataSync(): Float32Array
  dispose(): void
}

async function tfjs(): Promise<Contender> {
  const require = createRequire(join(folder, 'package.json'))
  const tf = require('@tensorflow/tfjs') as TensorFlow
  const wasm = require('@tensorflow/tfjs-backend-wasm') as {
    setWasmPaths(folder: string): void
    setThreadsCount(count: number): void
    getThreadsCount(): number
  }
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`)
  wasm.setThreadsCount(threads)
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js could not start its wasm backend')
  await tf.ready()
  const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true
  // TensorFlow.js itself turns its threads off in Node, so this is 1 whatever was asked for.
  return {
    description: `TensorFlow.js ${tf.version['tfjs-core']}${simd ? '' : ' without SIMD'}`,
    threads: wasm.getThreadsCount(),
    product({ m, k, n }, a, b) {
      const [left, right] = [tf.tensor2d(a, [m, k]), tf.tensor2d(b, [k, n])]
      let result: TfTensor | undefined
      return {
        step() {
          result?.dispose()
          result = tf.matMul(left, right)
        },
        result: () => result!.dataSync(),
        dispose: () => [left, right, result!].forEach((tensor) => tensor.dispose()),
      }
    },
  }
}

/** What we use of jax-js: arrays are used up by what takes them, unless `ref` is given instead. */
interface Jax {
  readonly numpy: {
    array(values: Float32Array): JaxArray
    matmul(a: JaxArray, b: JaxArray): JaxArray
  }
  init(device: string): Promise<readonly string[]>
  defaultDevice(device: string): void
  jit<F>(f: F): F
}
interface JaxArray {
  readonly ref: JaxArray
  reshape(shape: readonly number[]): JaxArray
  blockUntilReady(): Promise<JaxArray>
  data(): Promise<Float32Array>
  dispose(): void
}

/** The browser's Worker, as far as jax-js needs it for its threads: Node has none. */
class BrowserWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null = null
  onerror: ((event: { readonly message: string }) => void) | null = null
  readonly #started: Promise<Worker>

  constructor(url: string) {
    this.#started = this.#start(url)
  }

  postMessage(message: unknown): void {
    // oxlint-disable-next-line require-post-message-target-origin -- for windows; this is a thread of Node's
    void this.#started.then((worker) => worker.postMessage(message))
  }

  async #start(url: string): Promise<Worker> {
    const source = await resolveObjectURL(url)!.text()
    const scope = `
      const { parentPort } = require('node:worker_threads')
      globalThis.self = globalThis
      globalThis.postMessage = (message) => parentPort.postMessage(message)
      parentPort.on('message', (data) => self.onmessage({ data }))`
    const worker = new Worker(`${scope}\n${source}`, { eval: true })
    worker.on('message', (data: unknown) => this.onmessage?.({ data }))
    worker.on('error', ({ message }) => this.onerror?.({ message }))
    return worker
  }
}

async function jax(): Promise<Contender> {
  if (threads > 1) {
    Object.assign(globalThis, { Worker: BrowserWorker })
    const navigator = { hardwareConcurrency: threads, userAgent: 'Node' }
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
  }
  const require = createRequire(join(folder, 'package.json'))
  const entry = require.resolve('@jax-js/jax').replace(/\.cjs$/, '.js')
  const { numpy, init, defaultDevice, jit } = (await import(pathToFileURL(entry).href)) as Jax
  const { version } = require(join(dirname(entry), '../package.json')) as { readonly version: string }
  if (!(await init('wasm')).includes('wasm')) throw new Error('jax-js could not start its wasm backend')
  defaultDevice('wasm')
  return {
    description: `jax-js ${version}`,
    threads,
    async product({ m, k, n }, a, b) {
      const [left, right] = [numpy.array(a).reshape([m, k]), numpy.array(b).reshape([k, n])]
      await left.ref.blockUntilReady()
      await right.ref.blockUntilReady()
      const compiled = jit((x: JaxArray, y: JaxArray) => numpy.matmul(x, y))
      let result: JaxArray | undefined
      return {
        async step() {
          result?.dispose()
          result = compiled(left.ref, right.ref)
          await result.blockUntilReady()
        },
        result: () => result!.ref.data(),
        dispose: () => [left, right, result!].forEach((array) => array.dispose()),
      }
    },
  }
}

let product: Product | undefined

async function timed(): Promise<number> {
  const begin = performance.now()
  await product!.step()
  return performance.now() - begin
}

async function answer(contender: Contender, request: Request): Promise<Answer> {
  if ('steps' in request) {
    const times: number[] = []
    for (let step = 0; step < request.steps; step++) times.push(await timed())
    return { times }
  }
  const { m, k, n } = request.prepare
  product?.dispose()
  const [a, b] = [drawn(m * k, 'a'), drawn(k * n, 'b')]
  product = await contender.product(request.prepare, a, b)
  await timed()
  const warmMs = await timed()
  const error = largestError(request.prepare, a, b, await product.result())
  return { description: contender.description, threads: contender.threads, error, warmMs }
}

const send = (message: Answer): boolean => process.send!(message)
const starting = name === 'halflife' ? Promise.resolve(halflife()) : name === 'tfjs' ? tfjs() : jax()
let work = starting.then(() => {})
process.on('message', (request: Request) => {
  work = work
    .then(async () => send(await answer(await starting, request)))
    .then(() => {})
    .catch((error: unknown) => void send({ failure: error instanceof Error ? error.message : String(error) }))
})
