/** Where the emulator's libraries lie. */
import { fileURLToPath } from 'node:url'

const inCache = (name: string): string => fileURLToPath(new URL(`../../.cache/emulator/${name}`, import.meta.url))

export const folder = inCache('.')
/** Bochs, of bochscpu-python. */
export const bochs = inCache('bochscpu.so')
/** `emulator.c`, compiled. */
export const emulator = inCache('emulator.so')
export const source = fileURLToPath(new URL('emulator.c', import.meta.url))
