/**
 * Puts `src/cli` and all that it imports into a few files in `dist/cli`, with the libraries that most commands load: node
 * takes longer to find and open hundreds of modules than to compile them.
 */
import { readFileSync } from 'node:fs'
import { rolldown } from 'rolldown'

const BUNDLED = ['commander', 'yaml', 'zod']

/** Their licenses ask to come with them. */
const licenses = {
  name: 'licenses',
  generateBundle() {
    const texts = BUNDLED.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`)
    this.emitFile({ type: 'asset', fileName: 'LICENSES.txt', source: texts.join('\n\n') })
  },
}

const bundle = await rolldown({
  input: { main: 'src/cli/main.ts' },
  platform: 'node',
  external: (id) => /^[^./]/.test(id) && !BUNDLED.includes(id),
  plugins: [licenses],
})
await bundle.write({ dir: 'dist/cli', cleanDir: true, chunkFileNames: '[name].js' })
await bundle.close()
