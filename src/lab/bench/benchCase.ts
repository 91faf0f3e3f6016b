/** What a case of the bench is: work that a backend does in steps, and the same work for PyTorch. */
import type { Backend, BackendName, Executable, MemoryProgramName, Precision } from '../../engine/index.ts'

/** What limits a case in the end: multiply-adds, or memory, as the pass that reads and writes in the same proportion. */
export type Limit = 'peak' | MemoryProgramName

/** The work as `pytorch.py` is told of it: a kind that it knows, and its sizes. */
export type PytorchJob = { readonly kind: string } & Readonly<Record<string, string | number | boolean>>

export interface PreparedCase {
  /** One step: what is timed. */
  step(): void
  /** What a step runs, for `--profile`. */
  readonly executable: Executable
  /** Floating-point operations of a step, by the rows' own counts. */
  readonly flops: number
  /** Bytes that a step must read and write in any case; null where multiply-adds are the limit. */
  readonly bytes: number | null
  /** Tokens of a step; null where that means nothing. */
  readonly tokens: number | null
}

export interface BenchCase {
  readonly name: string
  /** For people: sizes and what a step does. */
  readonly description: string
  readonly limit: Limit
  /** Part of `halflife bench` without names, which takes a minute or two. */
  readonly quick: boolean
  readonly precisions: readonly Precision[]
  /** The backend that it is about; any unless told. */
  readonly backend?: BackendName
  /** Compiles the work and fills its inputs. */
  prepare(backend: Backend, precision: Precision): PreparedCase
  readonly pytorch: PytorchJob
  /** Whether torch.compile may be faster than eager here. */
  readonly compiles: boolean
}
