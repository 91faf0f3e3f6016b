/** Memory outside the JavaScript heap: mapped, aligned, seen through array buffers. */
import type { NativeLibrary } from './library.ts'

export interface Mapping {
  /** A multiple of 4096; of 2 MiB for large ones. */
  readonly address: number
  readonly bytes: number
  /** What was mapped, to give it back. */
  readonly mapped: { readonly address: number; readonly bytes: number }
}

const page = 4096
const hugePage = 2 ** 21
/** The largest ArrayBuffer that can be laid over foreign memory; Node 20 aborts above it. */
export const largestView = 2 ** 32

/** Zeroed memory. From 2 MiB on it starts at a huge page and the system is asked to use them. */
export function mapMemory(library: NativeLibrary, wanted: number): Mapping {
  const bytes = Math.max(page, Math.ceil(wanted / page) * page)
  if (bytes < hugePage) {
    const address = library.map(bytes)
    return { address, bytes, mapped: { address, bytes } }
  }
  const mapped = { address: library.map(bytes + hugePage), bytes: bytes + hugePage }
  const address = Math.ceil(mapped.address / hugePage) * hugePage
  library.adviseHugePages(address, bytes)
  return { address, bytes, mapped }
}

export function unmapMemory(library: NativeLibrary, { mapped }: Mapping): void {
  library.unmap(mapped.address, mapped.bytes)
}

/** Maps `content` as code. Memory is writable first and executable then, never both. Throws where the system refuses. */
export function mapCode(library: NativeLibrary, content: Uint8Array): Mapping {
  const mapping = mapMemory(library, content.length)
  new Uint8Array(library.view(mapping.address, mapping.bytes)).set(content)
  if (!library.makeExecutable(mapping.address, mapping.bytes)) {
    unmapMemory(library, mapping)
    throw new Error('the system refuses executable memory')
  }
  return mapping
}

/** Sets all bits: NaN as f32, -1 as i32. */
export function poison(library: NativeLibrary, views: Map<number, Uint8Array>, mapping: Mapping): void {
  const chunk = largestView / 4
  for (let at = 0; at < mapping.bytes; at += chunk) {
    const address = mapping.address + at
    let view = views.get(address)
    if (!view) {
      view = new Uint8Array(library.view(address, Math.min(chunk, mapping.bytes - at)))
      views.set(address, view)
    }
    view.fill(0xff)
  }
}
