/** How this program can be called again from where the user stands. */
import { basename } from 'node:path'

/**
 * `halflife` where it was called by that name, `npx halflife` where npm or node started its file.
 * `script` is what node runs, as in process.argv[1].
 */
export function commandName(script: string | undefined = process.argv[1]): string {
  return script !== undefined && basename(script) === 'halflife' ? 'halflife' : 'npx halflife'
}
