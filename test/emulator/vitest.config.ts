/**
 * Tests with native code run by an emulator of a processor with AVX-512 and AVX512_BF16 (emulator.c):
 *
 *     npm run test:emulated                         the engine's and the conformance tests
 *     npm run test:emulated -- src/train            others
 */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const emulated = fileURLToPath(new URL('emulatedLibrary.ts', import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  resolve: { alias: [{ find: /^\.\/library\.ts$/, replacement: emulated }] },
  test: {
    include: ['src/**/*.test.ts', 'test/conformance/*.test.ts'],
    setupFiles: fileURLToPath(new URL('assertEmulated.ts', import.meta.url)),
    globalSetup: fileURLToPath(new URL('setup.ts', import.meta.url)),
    // The emulator is one for a process; it is some 200 times slower than a processor.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    // The system reports the real processor's features.
    testNamePattern: /^(?!.*read the features that the system reports)/,
  },
})
