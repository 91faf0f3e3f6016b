/** Ctrl-C: the first asks the run to save and stop, the second ends the process at once. */

/**
 * A signal that aborts at the first SIGINT or SIGTERM; `onFirst` is told then. Afterwards nobody listens any more, so
 * that the next one has the system's own effect even while a step keeps JavaScript from running. `npm` passes the
 * terminal's Ctrl-C on, so one key press may arrive twice: for half a second repeats are taken as one.
 */
export function interruptSignal(onFirst: () => void): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const dispose = (): void => {
    process.off('SIGINT', listen)
    process.off('SIGTERM', listen)
  }
  const listen = (): void => {
    if (controller.signal.aborted) return
    controller.abort()
    setTimeout(dispose, SAME_KEY_PRESS_MS).unref()
    onFirst()
  }
  process.on('SIGINT', listen)
  process.on('SIGTERM', listen)
  return { signal: controller.signal, dispose }
}

const SAME_KEY_PRESS_MS = 500
