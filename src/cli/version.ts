/** The version in package.json. */
import { readFileSync } from 'node:fs'
import { UsageError } from './errors.ts'

export function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (typeof content === 'object' && content !== null && 'version' in content) return String(content.version)
  throw new UsageError('package.json names no version.', 'Install halflife again.')
}
