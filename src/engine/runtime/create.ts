/** Chooses a backend: native code where the machine allows it, else WebAssembly, and says which and why. */
import { availableParallelism } from 'node:os'
import type { Backend, BackendName } from './backend.ts'
import { CompiledBackend } from './compiled.ts'
import { createInterpreterBackend } from './interpreter/interpreter.ts'
import { createNativeMachine, nativeUnavailable, type NativeOptions } from './native/machine.ts'
import { wasmUnavailable } from './wasm/available.ts'
import { createWasmMachine } from './wasm/machine.ts'

export interface BackendOptions {
  /** `auto` (the default) takes native, else wasm. */
  readonly backend?: BackendName | 'auto'
  /** From 1 to the machine's cores; all of them unless told. The interpreter has one. */
  readonly threads?: number
  /** CPU features not to use, such as `avx512`: for tests, and to compare. */
  readonly disable?: readonly string[]
  /**
   * Computes products in bf16 by ops on f32 where the processor has no instructions for them. Slower than fp32: for
   * experiments with the precision. Default false; only native code has it.
   */
  readonly expandBf16?: boolean
}

export interface BackendAvailability {
  readonly name: BackendName
  /** Why it cannot run here; undefined where it can. */
  readonly unavailable: string | undefined
}

/** A backend that was asked for cannot be had. `hint` says what to do. */
export class BackendError extends Error {
  override readonly name = 'BackendError'
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** Which backends can run here, best first. */
export function availableBackends(disable: readonly string[] = []): readonly BackendAvailability[] {
  return [
    { name: 'native', unavailable: nativeUnavailable() ?? withoutFeatures(disable) },
    { name: 'wasm', unavailable: wasmUnavailable() },
    { name: 'interpreter', unavailable: undefined },
  ]
}

/**
 * Makes a backend. With `auto`, its `note` says why a better one was passed over. Throws BackendError where the one asked
 * for cannot run here, or for a number of threads that the machine does not have.
 */
export function createBackend(options: BackendOptions = {}): Backend {
  const { backend = 'auto', disable = [], expandBf16 = false } = options
  const threads = checkThreads(options.threads)
  const available = availableBackends(disable)
  if (backend !== 'auto') {
    const reason = available.find(({ name }) => name === backend)?.unavailable
    if (reason !== undefined) {
      throw new BackendError(
        `The ${backend} backend cannot run here: ${reason}.`,
        'Use --backend auto to take the best that can.',
      )
    }
    return make(backend, threads, { disable, expandBf16 })
  }
  const chosen = available.find(({ unavailable }) => unavailable === undefined)!
  const passedOver = available.slice(0, available.indexOf(chosen))
  const made = make(chosen.name, threads, { disable, expandBf16 })
  if (passedOver.length > 0) {
    const reasons = passedOver.map(({ name, unavailable }) => `${name} cannot run here: ${unavailable}`)
    made.note = `${reasons.join('; ')}; using ${chosen.name}`
  }
  return made
}

/** Native code needs these two at least. */
function withoutFeatures(disable: readonly string[]): string | undefined {
  const needed = disable.find((feature) => feature === 'avx2' || feature === 'fma')
  return needed && `it needs ${needed}, which is disabled`
}

function make(name: BackendName, threads: number, native: Omit<NativeOptions, 'threads'>): Backend {
  if (name === 'interpreter') return createInterpreterBackend({ precision: 'f32' })
  if (name === 'wasm')
    return new CompiledBackend(createWasmMachine({ threads, fuse: !native.disable!.includes('fma') }))
  return new CompiledBackend(createNativeMachine({ ...native, threads }))
}

function checkThreads(threads: number | undefined): number {
  const cores = availableParallelism()
  if (threads === undefined) return cores
  if (!Number.isInteger(threads) || threads < 1) {
    throw new BackendError(`The number of threads is ${threads}.`, `Give a whole number from 1 to ${cores}.`)
  }
  if (threads > cores) {
    throw new BackendError(
      `${threads} threads were asked for, but this machine has ${cores} cores.`,
      `More threads than cores only wait for one another: give at most ${cores}.`,
    )
  }
  return threads
}
