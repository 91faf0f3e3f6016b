/** What the plan hands to a runtime: kernels, and the list of launches that is the whole step. */
import type { Kernel } from '../kernel/kernel.ts'
import type { DType, Shape } from '../ir/node.ts'

/** A named buffer that outlives a run: a parameter, optimizer state, an input or an output. Shared between programs by name. */
export interface PersistentBuffer {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

/** Where a launch's buffer argument lies: inside the arena, or inside a persistent buffer. Offsets are in bytes. */
export type BufferReference = {
  readonly offset: number
  /** What the launch may touch through it: bytes [start, end) of the space. All of the space, and by writing, unless told. */
  readonly within?: { readonly start: number; readonly end: number; readonly writes: boolean }
} & ({ readonly space: 'arena' } | { readonly space: 'persistent'; readonly name: string })

export interface Launch {
  /** Index into `Program.kernels`. */
  readonly kernel: number
  /** For listings and profiles, such as `block.3.mlp.fc matmul [768, 128] x [128, 512]`. */
  readonly label: string
  readonly buffers: readonly BufferReference[]
  /** Independent units of work: any thread may do any of them, in any order. */
  readonly units: number
  /** A call for fewer units than this is wasteful; 1 unless told. */
  readonly grain?: number
  /**
   * All threads must have finished the launches before this one before it starts, in any case. False unless told: where
   * threads must wait depends on who does which unit, so the runtime finds out (`barriers.ts`).
   */
  readonly barrier?: boolean
  readonly flops: number
  /** Bytes read plus bytes written, for the share of the memory ceiling. */
  readonly bytes: number
}

export interface Program {
  readonly name: string
  readonly kernels: readonly Kernel[]
  readonly launches: readonly Launch[]
  readonly persistent: readonly PersistentBuffer[]
  /** Bytes of temporary memory, shared by all threads. Contents are undefined at the start of a run. */
  readonly arenaBytes: number
  /** Bytes of scratch memory for each thread. */
  readonly scratchBytes: number
  readonly flops: number
}
