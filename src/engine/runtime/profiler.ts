/** A backend that can put a clock around the launches of its programs while they do their work. */
import type { Graph } from '../trace/trace.ts'
import type { Backend, Executable } from './backend.ts'
import { LaunchSums, type ProfileCeilings, type ProfileRow } from './profile.ts'

export interface Profiler {
  /** Computes what the backend computes, bit for bit, whether it is watched or not. */
  readonly backend: Backend
  /** Whether runs are watched from now on; not at first. A watched run waits for all threads before each launch. */
  watch(on: boolean): void
  /** What the watched runs took, divided by `steps`; longest first. */
  rows(steps: number, ceilings?: ProfileCeilings): readonly ProfileRow[]
}

/** Watches those of the backend's programs whose name `counts`. Whoever disposes of the backend does so still. */
export function createProfiler(backend: Backend, counts: (program: string) => boolean): Profiler {
  const sums = new LaunchSums()
  let watching = false
  const compile = (graph: Graph): Executable => {
    const executable = backend.compile(graph)
    if (!counts(graph.name)) return executable
    return {
      report: executable.report,
      run: () => (watching ? sums.add(executable.profile()) : executable.run()),
      profile: () => executable.profile(),
    }
  }
  const { name, description, threads, note, withoutBf16 } = backend
  return {
    backend: {
      name,
      description,
      threads,
      ...(note === undefined ? {} : { note }),
      withoutBf16,
      compile,
      buffer: (buffer, dtype, shape) => backend.buffer(buffer, dtype, shape),
      dispose: () => backend.dispose(),
    },
    watch: (on) => void (watching = on),
    rows: (steps, ceilings) => sums.rows(steps, ceilings),
  }
}
