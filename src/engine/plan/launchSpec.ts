/** Launches before their memory has addresses. */
import type { Kernel } from '../kernel/kernel.ts'
import type { KernelTarget } from '../kernel/builder.ts'
import type { Resolved } from './layouts.ts'
import type { PlanNode } from './node.ts'

/** A stretch of memory: a named buffer that persists, or a temporary that the plan places in the arena. */
export interface Storage {
  /** The buffer's name; undefined for a temporary. */
  readonly name?: string
  readonly bytes: number
}

export interface BufferUse {
  readonly storage: Storage
  /** Bytes from the storage's start. */
  readonly offset: number
  readonly access: 'read' | 'write'
}

export interface BuiltKernel {
  readonly kernel: Kernel
  readonly units: number
  /** A call for fewer units than this is wasteful; 1 unless told. */
  readonly grain?: number
}

export interface LaunchSpec {
  /** Equal keys mean equal kernels, in other programs for the target too: `build` is called once per key. */
  readonly key: string
  readonly build: () => BuiltKernel
  readonly buffers: readonly BufferUse[]
  readonly label: string
  readonly flops: number
  readonly bytes: number
}

/** What a form is given to turn a node into launches. */
export interface FormContext {
  readonly node: PlanNode
  readonly target: KernelTarget
  /** Where the node's inputs lie. */
  readonly operands: readonly Resolved[]
  /** A buffer argument for reading operand k. */
  read(k: number): BufferUse
  /** A buffer argument for writing the node's own storage. */
  write(offsetBytes?: number): BufferUse
  /** Temporary memory for the launches of this node. */
  temporary(bytes: number): Storage
  /**
   * Operand k in another arrangement, which `launch` writes: made once for all forms nearby that ask for the same by the
   * same key.
   */
  rearranged(k: number, key: string, bytes: number, launch: (to: BufferUse) => LaunchSpec): Storage
  launch(spec: Omit<LaunchSpec, 'label'> & { readonly label?: string }): void
  /** Copies operand k into the node's storage, its element (0, 0 …) going to `offset` elements. */
  copy(k: number, offset: number): void
}

export interface Form {
  /** Whether operand k can be read in this layout; otherwise the plan copies it first. */
  accepts(k: number, layout: Resolved['layout'], node: PlanNode): boolean
  lower(context: FormContext): void
}
