/**
 * A machine that interprets kernels: no code generation, any number of lanes, every access checked. For tests of plans
 * and kernels.
 */
import { sameShape, sizeOf, type DType, type Shape } from '../ir/node.ts'
import type { KernelTarget } from '../kernel/builder.ts'
import { prepareKernel, type InterpretedKernel, type Segment } from '../kernel/interpret.ts'
import { printKernel } from '../kernel/print.ts'
import type { BufferReference, Launch, Program } from '../plan/program.ts'
import type { LaunchTime, LoadedProgram, Machine, NumberArray } from './backend.ts'
import { RaceDetector } from './races.ts'
import { shareProgram, type LaunchShares } from '../plan/shares.ts'

export interface ProgramMemory {
  /** All memory that launches may touch. */
  readonly segments: readonly Segment[]
  /** Address of the program's arena, in bytes. */
  readonly arena: number
  /** Address of the scratch memory, in bytes. */
  readonly scratch: number
  /** Address of a persistent buffer, in bytes. */
  persistent(name: string): number
  readonly fusedMultiplyAdd: boolean
  /** Threads to imitate, 1 unless told. Between barriers the last thread runs first and to its end. */
  readonly threads?: number
  /** Of the program among those threads; as the native machine shares it unless told. */
  readonly shares?: readonly LaunchShares[]
  /** Called after each launch, or after each group of launches without a barrier between them. */
  onLaunches?(launches: readonly Launch[]): void
}

/**
 * Runs all launches of a program once, in order. Kernels are independent of the memory and may be prepared once.
 *
 * Throws where two threads touch the same word without a barrier between them and one of them writes, whatever the order
 * in which they would run.
 */
export function interpretProgram(
  program: Program,
  memory: ProgramMemory,
  kernels: readonly InterpretedKernel[] = program.kernels.map(prepareKernel),
): void {
  const threads = memory.threads ?? 1
  const shares = memory.shares ?? shareProgram(program, threads, true)
  const races =
    threads > 1 ? new RaceDetector(memory.segments.filter(({ address }) => address !== memory.scratch)) : undefined
  const addressOf = (buffer: BufferReference): number =>
    (buffer.space === 'arena' ? memory.arena : memory.persistent(buffer.name)) + buffer.offset
  for (const stretch of stretches(shares)) {
    for (let thread = threads - 1; thread >= 0; thread--) {
      for (const k of stretch) {
        const { kernel, buffers, label } = program.launches[k]!
        for (const { begin, end, isTaken } of unitsOf(program.launches[k]!, shares[k]!, thread)) {
          // Whoever takes units may be another thread each time.
          races?.turn(isTaken ? `unit ${begin} of launch ${k}` : `thread ${thread}`, `"${label}" (thread ${thread})`)
          kernels[kernel]!.run({
            memory: memory.segments,
            unitBegin: begin,
            unitEnd: end,
            scratch: memory.scratch,
            pointers: buffers.map(addressOf),
            fusedMultiplyAdd: memory.fusedMultiplyAdd,
            onAccess: races?.onAccess,
          })
        }
      }
    }
    races?.barrier()
    memory.onLaunches?.(stretch.map((k) => program.launches[k]!))
  }
}

/** The numbers of launches, cut where a barrier stands. */
function stretches(shares: readonly LaunchShares[]): readonly (readonly number[])[] {
  const cut: number[][] = []
  for (const [k, { barrier }] of shares.entries()) {
    if (barrier || cut.length === 0) cut.push([])
    cut.at(-1)!.push(k)
  }
  return cut
}

interface Units {
  readonly begin: number
  readonly end: number
  /** Whether anyone might do them. */
  readonly isTaken: boolean
}

/** The units of a launch that a thread does: its own, and every so many of those that are taken. */
function unitsOf({ units }: Launch, { bounds, fixed, grain, takes }: LaunchShares, thread: number): readonly Units[] {
  const own = { begin: bounds[thread]!, end: bounds[thread + 1]!, isTaken: false }
  const threads = bounds.length - 1
  const taken = Array.from({ length: takes }, (_, take): Units => {
    const begin = fixed + take * grain
    return { begin, end: Math.min(begin + grain, units), isTaken: true }
  })
  return [own, ...taken.filter((_, take) => take % threads === thread)].filter(({ begin, end }) => begin < end)
}

export interface InterpretedMachineOptions extends KernelTarget {
  /** Threads to imitate, 1 unless told: see `ProgramMemory.threads`. Results must not depend on it. */
  readonly threads?: number
  /** Whether `multiplyAdd` rounds once, as on x64 (the default), or twice, as on WebAssembly. */
  readonly fusedMultiplyAdd?: boolean
}

interface NamedBuffer {
  readonly dtype: DType
  readonly shape: Shape
  readonly segment: Segment
  readonly values: NumberArray
}

/** Bytes between buffers that belong to none, so that an access beyond a buffer's end is refused. */
const GAP = 4096
const ALIGNMENT = 64

/**
 * A machine of `lanes` lanes that interprets its programs. Arena and scratch hold NaN at the start of each run, and an
 * access outside a program's own buffers throws.
 */
export function createInterpretedMachine(options: InterpretedMachineOptions): Machine {
  return new InterpretedMachine(options)
}

class InterpretedMachine implements Machine {
  readonly name = 'wasm'
  readonly description: string
  readonly threads = 1
  readonly target: KernelTarget
  readonly withoutBf16: string | undefined
  readonly #imitatedThreads: number
  readonly #fusedMultiplyAdd: boolean
  readonly #buffers = new Map<string, NamedBuffer>()
  #end = GAP

  constructor({ threads = 1, fusedMultiplyAdd = true, ...target }: InterpretedMachineOptions) {
    this.target = target
    this.withoutBf16 = target.bf16 === undefined ? 'this target has no ops for it' : undefined
    this.description = `interpreted kernels, ${target.lanes} lanes`
    this.#imitatedThreads = threads
    this.#fusedMultiplyAdd = fusedMultiplyAdd
  }

  buffer(name: string, dtype: DType, shape: Shape): NumberArray {
    return this.#buffer(name, dtype, shape).values
  }

  load(program: Program): LoadedProgram {
    const arena = this.#segment('arena', Math.ceil(program.arenaBytes / 4))
    const scratch = this.#segment('scratch', Math.ceil(program.scratchBytes / 4))
    const persistent = new Map(
      program.persistent.map(({ name, dtype, shape }) => [name, this.#buffer(name, dtype, shape).segment]),
    )
    const kernels = program.kernels.map(prepareKernel)
    const shares = shareProgram(program, this.#imitatedThreads, true)
    const run = (onLaunches?: (launches: readonly Launch[]) => void): void => {
      for (const { words } of [arena, scratch]) new Float32Array(words.buffer).fill(Number.NaN)
      const memory: ProgramMemory = {
        segments: [arena, scratch, ...persistent.values()],
        arena: arena.address,
        scratch: scratch.address,
        persistent: (name) => addressIn(program, persistent, name),
        fusedMultiplyAdd: this.#fusedMultiplyAdd,
        threads: this.#imitatedThreads,
        shares,
      }
      interpretProgram(program, onLaunches === undefined ? memory : { ...memory, onLaunches }, kernels)
    }
    return {
      codeBytes: 0,
      shares,
      run: () => run(),
      profile: () => profileLaunches(run),
      listing: (k) => printKernel(program.kernels[k]!),
    }
  }

  dispose(): void {
    this.#buffers.clear()
  }

  #buffer(name: string, dtype: DType, shape: Shape): NamedBuffer {
    const known = this.#buffers.get(name)
    if (known === undefined) {
      const segment = this.#segment(name, sizeOf(shape))
      const values = dtype === 'i32' ? segment.words : new Float32Array(segment.words.buffer)
      const made = { dtype, shape, segment, values }
      this.#buffers.set(name, made)
      return made
    }
    if (known.dtype !== dtype || !sameShape(known.shape, shape)) {
      throw new Error(
        `buffer ${name} is ${known.dtype} [${known.shape.join(', ')}]; it was asked for as ${dtype} [${shape.join(', ')}]`,
      )
    }
    return known
  }

  /** New zeroed memory at addresses of its own. */
  #segment(name: string, length: number): Segment {
    const address = this.#end
    this.#end = Math.ceil((address + 4 * length + GAP) / ALIGNMENT) * ALIGNMENT
    return { name, address, words: new Int32Array(length) }
  }
}

function addressIn(program: Program, persistent: ReadonlyMap<string, Segment>, name: string): number {
  const segment = persistent.get(name)
  if (segment === undefined) {
    throw new Error(
      `program ${program.name}: a launch uses the buffer ${name}, which is not among its persistent buffers`,
    )
  }
  return segment.address
}

/** A clock around every launch; launches without a barrier between them share the time of their stretch by flops. */
function profileLaunches(run: (onLaunches: (launches: readonly Launch[]) => void) => void): readonly LaunchTime[] {
  const times: LaunchTime[] = []
  let last = performance.now()
  run((launches) => {
    const now = performance.now()
    const flops = launches.reduce((sum, launch) => sum + launch.flops, 0)
    for (const launch of launches) {
      const share = flops > 0 ? launch.flops / flops : 1 / launches.length
      times.push({
        label: launch.label,
        milliseconds: (now - last) * share,
        flops: launch.flops,
        bytes: launch.bytes,
      })
    }
    last = now
  })
  return times
}
