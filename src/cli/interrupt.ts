/** Ctrl-C: the first asks the run to save and stop, the second ends the process at once. */

/**
 * npm passes the terminal's Ctrl-C on to its script, so that one key press may arrive twice: under npm, repeats within
 * this time are taken as one.
 */
const SAME_KEY_PRESS_MS = 500

/**
 * A signal that aborts at the first SIGINT or SIGTERM; `onFirst` is told then. From there on nobody listens any more, so
 * that the next one has the system's own effect, even while a checkpoint is written.
 */
export function interruptSignal(
  onFirst: () => void,
  underNpm: boolean = process.env['npm_lifecycle_event'] !== undefined,
): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const dispose = (): void => {
    process.off('SIGINT', listen)
    process.off('SIGTERM', listen)
  }
  const listen = (): void => {
    if (controller.signal.aborted) return
    controller.abort()
    if (underNpm) setTimeout(dispose, SAME_KEY_PRESS_MS).unref()
    else dispose()
    onFirst()
  }
  process.on('SIGINT', listen)
  process.on('SIGTERM', listen)
  return { signal: controller.signal, dispose }
}
