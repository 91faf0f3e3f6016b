/** The threads of a WebAssembly machine: the calling thread, which is thread 0, and its workers. */
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads'
import type { WasmMemory, WasmModule } from './webAssembly.ts'
import {
  actions,
  wordOf,
  workerSource,
  type FailureMessage,
  type ModuleMessage,
  type WorkerData,
} from './workerSource.ts'

/** A failure inside generated code. */
export interface ThreadFailure {
  readonly thread: number
  /** The number of the launch that the thread was in. */
  readonly launch: number
  readonly message: string
}

/** The arguments of a run; addresses in bytes. */
export interface RunArguments {
  readonly program: number
  readonly table: number
  readonly launches: number
  /** Scratch of thread t is at scratch + t * scratchStride. */
  readonly scratch: number
  readonly scratchStride: number
  /** Where thread 0 writes clock readings; 0 for none. */
  readonly clocks: number
}

/** Milliseconds for all workers to start and instantiate a module, far more than any machine has needed. */
const PATIENCE = 60_000

interface Member {
  readonly worker: Worker
  readonly port: MessagePort
}

/**
 * Workers never return to their event loops: they sleep in shared memory, so that a command reaches them while this thread
 * is busy, and this thread may wait for them without its own event loop.
 */
export class Team {
  readonly #words: Int32Array
  readonly #members: readonly Member[]

  constructor(memory: WasmMemory, threads: number) {
    this.#words = new Int32Array(memory.buffer, 0, memory.buffer.byteLength / 4)
    this.#members = Array.from({ length: threads - 1 }, (_, k) => startWorker(memory, k + 1))
  }

  /** Gives a compiled program to every worker; returns when all have it. */
  load(program: number, module: WasmModule): void {
    if (this.#members.length === 0) return
    const message: ModuleMessage = { program, module }
    for (const { port } of this.#members) port.postMessage(message)
    Atomics.store(this.#words, wordOf('acknowledged'), 0)
    this.#command(actions.load)
    const deadline = performance.now() + PATIENCE
    for (;;) {
      const count = Atomics.load(this.#words, wordOf('acknowledged'))
      if (count === this.#members.length) break
      const left = deadline - performance.now()
      if (left <= 0) {
        throw new Error(
          `${this.#members.length - count} of ${this.#members.length} WebAssembly worker threads did not start within ` +
            `${PATIENCE / 1000} seconds: use fewer threads`,
        )
      }
      Atomics.wait(this.#words, wordOf('acknowledged'), count, left)
    }
    if (this.failed)
      throw new Error(`a WebAssembly worker thread failed to load a program: ${this.failure('').message}`)
  }

  /** Lets the workers run a program; the caller then enters its driver as thread 0. */
  start(run: RunArguments): void {
    if (this.#members.length === 0) return
    for (const name of ['program', 'table', 'launches', 'scratch', 'scratchStride', 'clocks'] as const) {
      this.#words[wordOf(name)] = run[name]
    }
    this.#command(actions.run)
  }

  get failed(): boolean {
    return Atomics.load(this.#words, wordOf('failed')) !== 0
  }

  /** After thread 0 has thrown `error`: makes the workers leave, and tells which thread failed first, and where. */
  failure(error: unknown): ThreadFailure {
    const first = Atomics.compareExchange(this.#words, wordOf('failed'), 0, 1)
    Atomics.add(this.#words, wordOf('generation'), 1)
    Atomics.notify(this.#words, wordOf('generation'))
    const thread = first === 0 ? 0 : first - 1
    const launch = this.#words[wordOf('launch') + thread]!
    if (thread === 0) return { thread, launch, message: String(error) }
    const received: { readonly message: FailureMessage } | undefined = receiveMessageOnPort(
      this.#members[thread - 1]!.port,
    )
    return { thread, launch, message: received?.message.message ?? String(error) }
  }

  dispose(): void {
    this.#command(actions.quit)
    for (const { worker, port } of this.#members) {
      port.close()
      void worker.terminate()
    }
  }

  #command(action: number): void {
    this.#words[wordOf('action')] = action
    Atomics.add(this.#words, wordOf('command'), 1)
    Atomics.notify(this.#words, wordOf('command'))
  }
}

function startWorker(memory: WasmMemory, thread: number): Member {
  const { port1, port2 } = new MessageChannel()
  const workerData: WorkerData = { memory, port: port2, thread }
  const worker = new Worker(workerSource, {
    eval: true,
    name: `halflife-wasm-${thread}`,
    workerData,
    transferList: [port2],
    // Loaders and hooks that the process was started with are not for the worker, and could wait for this thread.
    execArgv: [],
    env: {},
  })
  // Neither keeps the process alive.
  worker.unref()
  port1.unref()
  return { worker, port: port1 }
}
