/** The files that halflife is installed with. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of a file by its path in the package. This module lies two folders below that, in `src`, `dist` and the bundle. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** The version in package.json. */
export function packageVersion(): string {
  const content: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  if (typeof content === 'object' && content !== null && 'version' in content) return String(content.version)
  throw new Error('package.json of halflife names no version; install it again.')
}
