/**
 * What a worker thread runs, as text: it works alike from TypeScript sources and from the built package, and a file of its
 * own would have to be found at run time.
 *
 * The worker sleeps on the command word. On a command it either takes a compiled module from its port and instantiates it,
 * or runs a program's driver together with the other threads. A failure is reported on the port; then `failed` makes the
 * threads that wait at a barrier leave.
 */
import type { MessagePort } from 'node:worker_threads'
import { control } from '../../codegen/wasm/control.ts'
import type { WasmMemory, WasmModule } from './webAssembly.ts'

export const actions = { load: 1, run: 2, quit: 3 } as const

/** What a worker is started with. */
export interface WorkerData {
  readonly memory: WasmMemory
  readonly port: MessagePort
  /** This worker's number, from 1; thread 0 is the main thread. */
  readonly thread: number
}

/** Main thread to worker, before the command `load`. */
export interface ModuleMessage {
  readonly program: number
  readonly module: WasmModule
}

/** Worker to main thread, before it sets `failed`. */
export interface FailureMessage {
  readonly thread: number
  readonly message: string
}

/** The index of a control word in an Int32Array over the memory. */
export const wordOf = (name: keyof typeof control): number => control[name] / 4

export const workerSource = `
'use strict'
const { receiveMessageOnPort, workerData } = require('node:worker_threads')
const { memory, port, thread } = workerData
const words = new Int32Array(memory.buffer)
const at = ${JSON.stringify(Object.fromEntries(Object.entries(control).map(([name, address]) => [name, address / 4])))}
const actions = ${JSON.stringify(actions)}
const drivers = new Map()
const imports = { machine: { memory, clock: () => performance.now() } }

function load() {
  const { program, module } = receiveMessageOnPort(port).message
  drivers.set(program, new WebAssembly.Instance(module, imports).exports.run)
  Atomics.add(words, at.acknowledged, 1)
  Atomics.notify(words, at.acknowledged)
}

function run() {
  const scratch = (words[at.scratch] >>> 0) + thread * words[at.scratchStride]
  drivers.get(words[at.program])(thread, words[at.table], words[at.launches], scratch, words[at.clocks])
}

function fail(error) {
  port.postMessage({ thread, message: String(error) })
  Atomics.compareExchange(words, at.failed, 0, thread + 1)
  Atomics.add(words, at.generation, 1)
  Atomics.notify(words, at.generation)
  Atomics.add(words, at.acknowledged, 1)
  Atomics.notify(words, at.acknowledged)
}

let seen = 0
for (;;) {
  Atomics.wait(words, at.command, seen)
  const command = Atomics.load(words, at.command)
  if (command === seen) continue
  seen = command
  const action = words[at.action]
  if (action === actions.quit) break
  try {
    if (action === actions.load) load()
    else run()
  } catch (error) {
    fail(error)
    break
  }
}
port.close()
`
